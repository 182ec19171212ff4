"""All wiring of the policy-sidecar: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amas.policy.v1 import policy_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.clock import Clock, SystemClock
from amas_chassis.kept_files import KeptFiles
from amas_chassis.lifecycle import Hook
from amas_chassis.outbox import Outbox
from amas_chassis.service import GrpcService, Server, ServiceSpec
from amas_chassis.settings import SettingsError, load
from amas_governance.dlp import whole_engine
from prometheus_client import REGISTRY, CollectorRegistry

from .adapters.audit_client import AuditClient, delivery, make_stub
from .adapters.bundle_store import BundleStore
from .adapters.decision_cache import DecisionCache
from .adapters.mcp_tools import McpToolServers
from .adapters.redis_autonomy import RedisAutonomy
from .adapters.redis_quota import RedisQuota
from .adapters.redis_revocations import RedisRevocations
from .adapters.sandbox.host import SandboxMode, SandboxSettings
from .adapters.transports import ToolSurroundings
from .domain.engine_reports import AwaitedLogs
from .domain.model import Event
from .entrypoints.grpc_api import PolicyServicer
from .ports import AuditLog, PolicyEngine
from .settings import PREFIX, Settings
from .telemetry import Instruments
from .usecases.assess_autonomy import AssessAutonomy
from .usecases.attempts import Attempts
from .usecases.call_tool import CallTool
from .usecases.count_outcome import CountOutcome
from .usecases.decide_action import DecideAction
from .usecases.decide_administration import DecideAdministration
from .usecases.decide_delegation import DecideDelegation
from .usecases.describe_tool_server import DescribeToolServer
from .usecases.enforce_action import EnforceAction
from .usecases.inspect_answers import InspectAnswers
from .usecases.judge_action import JudgeAction
from .usecases.list_tools import ListTools
from .usecases.load_bundle import LoadBundle
from .usecases.record_action import RecordAction
from .usecases.record_decision import RecordDecision
from .usecases.record_fault import RecordFault
from .usecases.record_outcome import RecordOutcome
from .usecases.record_waiting import RecordWaiting
from .usecases.sync_revocations import SyncRevocations
from .usecases.take_quota import TakeQuota

NAME = "policy-sidecar"
# How long an exit waits for audit to take what is left (seconds).
OUTBOX_SECONDS = 4.0
_SERVICE = "amas.policy.v1.PolicyService"
_ALL = frozenset({"orchestrator", "ai-router"})
_ORCHESTRATOR = frozenset({"orchestrator"})
# The ai-router may ask about models, and only that: nothing that leads to a tool.
CALLERS = {
    f"/{_SERVICE}/LoadBundle": _ALL,
    f"/{_SERVICE}/Decide": _ALL,
    f"/{_SERVICE}/Enforce": _ORCHESTRATOR,
    f"/{_SERVICE}/ListTools": _ORCHESTRATOR,
    f"/{_SERVICE}/InspectAnswers": _ORCHESTRATOR,
    f"/{_SERVICE}/DescribeToolServer": _ORCHESTRATOR,
    f"/{_SERVICE}/SyncRevocations": _ORCHESTRATOR,
    f"/{_SERVICE}/GetRevocationsVersion": _ALL,
}


async def build() -> ServiceSpec:
    """The service, wired from the environment."""
    settings = load(Settings)
    # Now, not when the first action waits for it.
    whole_engine(KeptFiles(settings.compiled_dir) if settings.compiled_dir else None)
    return wire(settings)


def wire(settings: Settings, registry: CollectorRegistry = REGISTRY) -> ServiceSpec:
    """The service, wired from settings; nothing connects before it is asked."""
    clock, instruments = SystemClock(), Instruments(registry)
    channels = ClientChannels(settings.tls_files(), NAME, name_suffix=settings.trust_domain)
    audit = AuditClient(channels.mux_client(make_stub, settings.audit_target, "audit"))
    outbox: Outbox[Event] = Outbox("audit events", delivery(audit), instruments.outbox)
    quota = RedisQuota.connect(settings.redis_dsn(), clock)
    revocations = RedisRevocations.connect(settings.redis_dsn(), clock)
    beside = _engine(settings, audit, clock, instruments)
    engine = DecisionCache(beside.engine, instruments.cached)
    bundles = BundleStore(dropped=engine.forget)
    tools = McpToolServers(
        _surroundings(settings),
        clock,
        lambda server, well: instruments.started(server, well=well),
        instruments.egress_refused,
    )
    autonomy = RedisAutonomy(quota.redis)
    counts = CountOutcome(autonomy)
    judge = JudgeAction(
        bundles,
        tools,
        engine,
        AssessAutonomy(autonomy, counts),
        revocations,
        clock,
        secret=settings.pseudonym_secret(),
    )
    record, attempts = RecordAction(audit, clock), Attempts()
    outcomes, decisions = RecordOutcome(record), RecordDecision(audit, clock)
    take = TakeQuota(quota, instruments)
    faults = RecordFault(audit, outbox, clock)
    enforce = EnforceAction(
        judge=judge,
        quota=quota,
        take=take,
        record=record,
        waiting=RecordWaiting(record),
        outcomes=outcomes,
        call=CallTool(tools, revocations, clock),
        attempts=attempts,
        faults=faults,
        counts=counts,
        instruments=instruments,
    )
    servicer = PolicyServicer(
        load_bundle=LoadBundle(bundles, engine),
        decide=DecideAction(
            bundles=bundles,
            engine=engine,
            judge=judge,
            revocations=revocations,
            quota=take,
            instruments=instruments,
        ),
        delegation=DecideDelegation(bundles, engine, revocations, decisions, faults, instruments),
        administration=DecideAdministration(bundles, engine, decisions, instruments),
        enforce=enforce,
        list_tools=ListTools(bundles, tools, revocations),
        describe=DescribeToolServer(bundles, tools),
        inspect_answers=InspectAnswers(bundles, secret=settings.pseudonym_secret()),
        sync_revocations=SyncRevocations(revocations),
    )
    return ServiceSpec(
        name=NAME,
        settings=settings,
        services=[GrpcService(_SERVICE, policy_pb2_grpc.add_PolicyServiceServicer_to_server, servicer)],
        callers=CALLERS,
        checks={"policy engine": engine.check, "quota store": quota.check, "audit": audit.check},
        notes=tools.notes,
        background=[*beside.background, outbox.run, revocations.run, tools.look],
        servers=beside.servers,
        on_drain=[attempts.drain, outcomes.flush],
        # Once more, for those whose callers were cut off: an effect that has begun gets its outcome recorded.
        on_stop=[
            attempts.drain,
            outcomes.flush,
            tools.close,
            quota.close,
            revocations.close,
            *beside.on_stop,
            lambda: outbox.close(OUTBOX_SECONDS),
            channels.close,
        ],
    )


def _surroundings(settings: Settings) -> ToolSurroundings:
    credentials = settings.credentials_dir
    return ToolSurroundings(
        environment=settings.tool_environment(),
        credentials_dir=credentials,
        sandbox=SandboxSettings(
            mode=SandboxMode(settings.sandbox),
            workdir=settings.tools_workdir,
            programs=settings.program_folders(),
            hidden=settings.hidden_folders(),
            first_user=settings.sandbox_first_user,
        ),
    )


@dataclass(frozen=True)
class _Engine:
    """A back end of the policy engine, and what the service must run for it."""

    engine: PolicyEngine
    servers: Sequence[Server] = ()
    background: Sequence[Hook] = ()
    on_stop: Sequence[Hook] = ()


def _engine(settings: Settings, audit: AuditLog, clock: Clock, instruments: Instruments) -> _Engine:
    opa = settings.opa()
    if opa is None:
        from .adapters.wasm_engine import WasmEngine

        return _Engine(WasmEngine(instruments.engine_fault))
    from .adapters.opa_engine import OpaEngine
    from .adapters.opa_revisions import OpaRevisions
    from .adapters.opa_signatures import BundleSigner
    from .entrypoints.opa_api import OpaApi
    from .usecases.await_engine_logs import AwaitEngineLogs
    from .usecases.record_engine_decisions import RecordEngineDecisions

    try:
        signer = BundleSigner(opa.signing_key_file, opa.signing_key_id)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}OPA_SIGNING_KEY_FILE: {error}") from None
    revisions, awaited = OpaRevisions(signer, clock), AwaitedLogs()
    awaiting = AwaitEngineLogs(awaited, clock, instruments)
    engine = OpaEngine(opa.socket, revisions, on_answer=awaiting.answered, on_fault=instruments.engine_fault)
    record = RecordEngineDecisions(audit, awaited, instruments)
    api = OpaApi(opa.api_listen, opa.token_file, revisions, record, awaited, instruments)
    return _Engine(
        engine,
        servers=[api],
        background=[revisions.tend, awaiting.tend],
        # The log of the last decisions comes before the channel to audit closes.
        on_stop=[engine.close, api.close],
    )
