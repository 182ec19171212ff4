"""All wiring of the ai-router."""

from __future__ import annotations

from random import SystemRandom

from amas.router.v1 import router_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.clock import SystemClock
from amas_chassis.service import GrpcService, ServiceSpec
from amas_chassis.settings import load

from amas_ai_router.adapters import audit_client, policy_client, postgres_pool
from amas_ai_router.adapters.audit_client import AuditClient
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.migrate import migrate
from amas_ai_router.adapters.no_budgets import NoBudgets
from amas_ai_router.adapters.policy_client import PolicyClient
from amas_ai_router.adapters.postgres_bundles import PostgresBundles
from amas_ai_router.adapters.postgres_ledger import PostgresLedger
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.entrypoints.grpc_api import SERVICE, RouterApi, RouterUseCases
from amas_ai_router.ports import AuditLog, Budgets, BundleStore, Ledger, Policy, Providers
from amas_ai_router.settings import RouterSettings
from amas_ai_router.telemetry import RouterTelemetry
from amas_ai_router.usecases.admit_call import AdmitCall
from amas_ai_router.usecases.ask_targets import AskTargets
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
from amas_ai_router.usecases.stream_complete import StreamComplete

NAME = "ai-router"
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


def wire(
    *,
    ledger: Ledger,
    bundles: BundleStore,
    policy: Policy,
    audit: AuditLog,
    providers: Providers,
    telemetry: RouterTelemetry,
    max_response_bytes: int,
    budgets: Budgets | None = None,
) -> tuple[RouterUseCases, RecordCall]:
    """The use cases over any set of adapters; the second part is what must be drained before an exit."""
    clock = SystemClock()
    routing = FindRouting(bundles)
    access = DecideAccess(policy, routing)
    admit = AdmitCall(routing, access)
    targets = AskTargets(providers, telemetry, clock, SystemRandom())
    record = RecordCall(ledger, audit, telemetry, clock)
    locks = KeyedLocks()
    call = CallModel(admit, targets, record, locks, telemetry, clock)
    opener = OpenStream(providers, targets, telemetry, clock, max_response_bytes=max_response_bytes)
    use_cases = RouterUseCases(
        complete=Complete(call),
        stream_complete=StreamComplete(admit, opener, record, locks, telemetry, clock),
        embed=Embed(call),
        list_models=ListModels(routing, access),
        load_bundle=LoadBundle(routing, bundles),
        query_usage=QueryUsage(ledger),
        list_budgets=ListBudgets(routing, NoBudgets() if budgets is None else budgets),
    )
    return use_cases, record


async def build() -> ServiceSpec:
    """The service from its environment."""
    settings = load(RouterSettings)
    pool = await postgres_pool.make_pool(settings.service_dsn(), connections=settings.database_connections)
    channels = ClientChannels(settings.tls_files(), NAME)
    policy = channels.client(policy_client.make_stub, settings.policy_target, "policy-sidecar")
    audit = channels.client(audit_client.make_stub, settings.audit_target, "audit")
    providers = ProvidersByApi(
        KeyFiles(settings.keys_dir),
        max_response_bytes=settings.max_response_bytes,
        connect_timeout=settings.connect_timeout,
    )
    use_cases, record = wire(
        ledger=PostgresLedger(pool),
        bundles=PostgresBundles(pool),
        policy=PolicyClient(policy, timeout=settings.policy_timeout),
        audit=AuditClient(audit, timeout=settings.audit_timeout),
        providers=providers,
        telemetry=RouterTelemetry(),
        max_response_bytes=settings.max_response_bytes,
    )

    async def database() -> None:
        await postgres_pool.check(pool)

    return ServiceSpec(
        name=NAME,
        settings=settings,
        services=[GrpcService(SERVICE, router_pb2_grpc.add_RouterServiceServicer_to_server, RouterApi(use_cases))],
        callers=CALLERS,
        checks={"database": database},
        on_drain=[record.drain],
        on_stop=[providers.close, channels.close, pool.close],
    )


def run_migrations() -> None:
    """Brings the schema up to date, as the owner of its tables."""
    migrate(load(RouterSettings).owner_dsn())
