"""All wiring of the ai-router."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom

from amas.router.v1 import router_pb2_grpc
from amas_chassis import redis_pipeline
from amas_chassis.channels import ClientChannels
from amas_chassis.clock import SystemClock
from amas_chassis.outbox import Outbox
from amas_chassis.redis_pipeline import RedisPipeline
from amas_chassis.service import GrpcService, ServiceSpec
from amas_chassis.settings import load

from amas_ai_router.adapters import audit_client, policy_client, postgres_pool
from amas_ai_router.adapters.audit_client import AuditClient
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.policy_client import PolicyClient
from amas_ai_router.adapters.postgres_bundles import PostgresBundles
from amas_ai_router.adapters.postgres_ledger import PostgresLedger
from amas_ai_router.adapters.postgres_spending import PostgresSpending
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.adapters.redis_budgets import RedisBudgets
from amas_ai_router.adapters.redis_cache import RedisCache
from amas_ai_router.adapters.redis_reach import RedisReach
from amas_ai_router.adapters.redis_semantic_cache import RedisSemanticCache
from amas_ai_router.domain.cache_keys import CacheKeys
from amas_ai_router.entrypoints.grpc_api import SERVICE, RouterApi, RouterUseCases
from amas_ai_router.ports import (
    AnswerStore,
    AuditLog,
    Budgets,
    BundleStore,
    Embedder,
    EventOutbox,
    Ledger,
    Policy,
    Providers,
    SemanticStore,
)
from amas_ai_router.settings import RouterSettings
from amas_ai_router.telemetry import RouterTelemetry
from amas_ai_router.usecases.admit_call import AdmitCall
from amas_ai_router.usecases.answer_cache import AnswerCache
from amas_ai_router.usecases.ask_in_turn import AskInTurn
from amas_ai_router.usecases.ask_targets import AskTargets
from amas_ai_router.usecases.bill_attempt import BillAttempt
from amas_ai_router.usecases.call_model import CallModel
from amas_ai_router.usecases.complete import Complete
from amas_ai_router.usecases.decide_access import DecideAccess
from amas_ai_router.usecases.embed import Embed
from amas_ai_router.usecases.find_routing import FindRouting
from amas_ai_router.usecases.keyed_locks import KeyedLocks
from amas_ai_router.usecases.list_budgets import ListBudgets
from amas_ai_router.usecases.list_models import ListModels
from amas_ai_router.usecases.load_bundle import LoadBundle
from amas_ai_router.usecases.open_stream import OpenStream
from amas_ai_router.usecases.query_usage import QueryUsage
from amas_ai_router.usecases.record_call import RecordCall
from amas_ai_router.usecases.semantic_embedding import EmbedByRoute
from amas_ai_router.usecases.semantic_lookup import SemanticLookup
from amas_ai_router.usecases.single_flight import SingleFlight
from amas_ai_router.usecases.stream_complete import StreamComplete
from amas_ai_router.usecases.tell_alert import TellAlert

NAME = "ai-router"
# How long an exit waits for audit to take what is left (seconds).
OUTBOX_SECONDS = 4.0
_GATEWAY = frozenset({"gateway"})
_BOTH = frozenset({"gateway", "orchestrator"})
CALLERS = {
    f"/{SERVICE}/LoadBundle": _BOTH,
    f"/{SERVICE}/Complete": _BOTH,
    f"/{SERVICE}/StreamComplete": _BOTH,
    f"/{SERVICE}/Embed": _BOTH,
    f"/{SERVICE}/ListModels": _BOTH,
    f"/{SERVICE}/QueryUsage": _GATEWAY,
    f"/{SERVICE}/ListBudgets": _GATEWAY,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the use cases stand on: any set of adapters."""

    ledger: Ledger
    bundles: BundleStore
    policy: Policy
    audit: AuditLog
    outbox: EventOutbox
    providers: Providers
    budgets: Budgets
    answers: AnswerStore
    similar: SemanticStore
    telemetry: RouterTelemetry
    max_response_bytes: int


@dataclass(frozen=True, slots=True)
class Wired:
    """The use cases, what must be waited for before an exit, what runs beside them, and what must be well."""

    use_cases: RouterUseCases
    drain: tuple[Callable[[], Awaitable[None]], ...]
    background: tuple[Callable[[], Awaitable[None]], ...]
    checks: Mapping[str, Callable[[], Awaitable[None]]]


def wire(parts: Parts) -> Wired:
    """The use cases over any set of adapters."""
    clock, telemetry, random = SystemClock(), parts.telemetry, SystemRandom()
    routing = FindRouting(parts.bundles)
    access = DecideAccess(parts.policy, routing, clock)
    admit = AdmitCall(routing, access, parts.outbox)
    bill = BillAttempt(parts.budgets, parts.ledger, clock, lambda: telemetry.trace_ids().trace_id)
    in_turn = AskInTurn(bill, telemetry, clock, random)
    targets = AskTargets(parts.providers, in_turn)
    opener = OpenStream(parts.providers, in_turn, telemetry, clock, max_response_bytes=parts.max_response_bytes)
    record = RecordCall(parts.ledger, parts.audit, parts.outbox, bill, telemetry, clock)
    locks, flights, keys = KeyedLocks(), SingleFlight(parts.answers, clock), CacheKeys()

    def caches(embedder: Embedder | None) -> AnswerCache:
        return AnswerCache(flights, SemanticLookup(parts.similar, embedder, keys, telemetry, random.random), keys)

    # Embeddings are compared by nothing, so that their cache needs no embeddings in turn.
    embed = Embed(CallModel(admit, targets, record, caches(None), locks, telemetry, clock))
    kept = caches(EmbedByRoute(embed.run))
    use_cases = RouterUseCases(
        complete=Complete(CallModel(admit, targets, record, kept, locks, telemetry, clock)),
        stream_complete=StreamComplete(admit, opener, record, kept, locks, telemetry, clock),
        embed=embed,
        list_models=ListModels(routing, access),
        load_bundle=LoadBundle(routing, parts.bundles),
        query_usage=QueryUsage(parts.ledger),
        list_budgets=ListBudgets(routing, parts.budgets),
    )
    drain = (in_turn.drain, record.drain, bill.drain, kept.drain)
    return Wired(use_cases, drain, (access.watch,), {"revocations": access.check})


async def build() -> ServiceSpec:
    """The service from its environment."""
    settings = load(RouterSettings)
    clock, telemetry = SystemClock(), RouterTelemetry()
    pool = await postgres_pool.make_pool(settings.service_dsn(), connections=settings.database_connections)
    channels = ClientChannels(settings.tls_files(), NAME, name_suffix=settings.trust_domain)
    policy = channels.client(policy_client.make_stub, settings.policy_target, "policy-sidecar")
    audit = AuditClient(
        channels.mux_client(audit_client.make_stub, settings.audit_target, "audit"), timeout=settings.audit_timeout
    )
    providers = ProvidersByApi(
        KeyFiles(settings.keys_dir),
        max_response_bytes=settings.max_response_bytes,
        connect_timeout=settings.connect_timeout,
    )
    outbox = Outbox("audit events", audit.deliver, telemetry.outbox)
    alerts = TellAlert(outbox, telemetry, clock)
    pipeline = RedisPipeline(redis_pipeline.connect(settings.redis_dsn()), clock)
    budgets = RedisBudgets(pipeline, PostgresSpending(pool), clock, alerts=alerts.run, shares=telemetry.budget_used)
    reach = RedisReach(telemetry, clock)
    answers = RedisCache.connect(settings.cache_redis_dsn(), reach)
    similar = RedisSemanticCache.connect(settings.cache_redis_dsn(), reach)
    wired = wire(
        Parts(
            ledger=PostgresLedger(pool),
            bundles=PostgresBundles(pool),
            policy=PolicyClient(policy, timeout=settings.policy_timeout),
            audit=audit,
            outbox=outbox,
            providers=providers,
            budgets=budgets,
            answers=answers,
            similar=similar,
            telemetry=telemetry,
            max_response_bytes=settings.max_response_bytes,
        )
    )

    async def database() -> None:
        await postgres_pool.check(pool)

    api = RouterApi(wired.use_cases)
    return ServiceSpec(
        name=NAME,
        settings=settings,
        services=[GrpcService(SERVICE, router_pb2_grpc.add_RouterServiceServicer_to_server, api)],
        callers=CALLERS,
        # Redis is not among the checks: calls that no budget covers go on without it.
        checks={"database": database, **wired.checks},
        background=(budgets.run, outbox.run, *wired.background),
        # After the last call has ended: one that the end cuts off is billed and put on record in the background.
        on_stop=[
            *wired.drain,
            budgets.drain,
            lambda: outbox.close(OUTBOX_SECONDS),
            providers.close,
            answers.close,
            similar.close,
            pipeline.close,
            channels.close,
            pool.close,
        ],
    )
