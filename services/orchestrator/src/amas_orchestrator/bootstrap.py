"""Wires the orchestrator. Everything is made here and nowhere else, and only when asked."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

from amas.orchestrator.v1 import orchestrator_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.kept_files import KeptFiles
from amas_chassis.service import GrpcService, ServiceSpec
from amas_chassis.settings import SettingsError, load
from amas_chassis.starting import waiting_for
from amas_governance.bundle import PolicySet
from amas_governance.dlp import whole_engine
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

from amas_orchestrator.adapters import audit_client, policy_client, router_client
from amas_orchestrator.adapters.approval_store import PostgresApprovals
from amas_orchestrator.adapters.bundle_store import PostgresBundles
from amas_orchestrator.adapters.dbos_engine import DbosEngine, EngineLimits
from amas_orchestrator.adapters.executor_store import PostgresExecutors
from amas_orchestrator.adapters.lease import Lease, repeat
from amas_orchestrator.adapters.migrate import newest_revision
from amas_orchestrator.adapters.notifications import Notifications
from amas_orchestrator.adapters.policy_files import PolicyFilesError, read_policies
from amas_orchestrator.adapters.postgres_pool import Database, wait_for_database
from amas_orchestrator.adapters.revocation_push import RevocationPush
from amas_orchestrator.adapters.revocation_store import PostgresRevocations
from amas_orchestrator.adapters.run_store import PostgresRuns
from amas_orchestrator.adapters.step_gate import StepGate
from amas_orchestrator.adapters.webhook_file import WebhookFileError, read_endpoints
from amas_orchestrator.adapters.webhook_outbox import PostgresOutbox
from amas_orchestrator.adapters.webhook_sender import HttpSender
from amas_orchestrator.domain.webhooks import Endpoints
from amas_orchestrator.entrypoints.grpc_api import CALLERS, SERVICE, OrchestratorApi, UseCases
from amas_orchestrator.settings import OrchestratorSettings
from amas_orchestrator.telemetry import OrchestratorTelemetry
from amas_orchestrator.usecases.apply_resources import ApplyResources
from amas_orchestrator.usecases.ask_administration import AskAdministration
from amas_orchestrator.usecases.ask_delegation import AskDelegation
from amas_orchestrator.usecases.ask_human import AskHuman
from amas_orchestrator.usecases.authorize_audit import AuthorizeAudit
from amas_orchestrator.usecases.cancel_run import CancelRun
from amas_orchestrator.usecases.decide_approval import DecideApproval
from amas_orchestrator.usecases.edit_action import EditAction
from amas_orchestrator.usecases.lower_label import LowerLabel
from amas_orchestrator.usecases.patience import Patience
from amas_orchestrator.usecases.read_approvals import ReadApprovals
from amas_orchestrator.usecases.read_resources import ReadResources
from amas_orchestrator.usecases.read_revocations import ReadRevocations
from amas_orchestrator.usecases.read_runs import ReadRuns
from amas_orchestrator.usecases.restore import Restore
from amas_orchestrator.usecases.revoke import Revoke
from amas_orchestrator.usecases.run_action import ActionRunner
from amas_orchestrator.usecases.run_orchestration import RunOrchestration
from amas_orchestrator.usecases.run_step import StepRunner
from amas_orchestrator.usecases.run_turn import TurnRunner
from amas_orchestrator.usecases.send_notices import SendNotices
from amas_orchestrator.usecases.send_wakes import SendWakes
from amas_orchestrator.usecases.send_webhooks import SendWebhooks
from amas_orchestrator.usecases.show_answers import ShowAnswers
from amas_orchestrator.usecases.spread_revocations import SpreadRevocations
from amas_orchestrator.usecases.start_run import StartRun
from amas_orchestrator.usecases.take_over import TakeOver
from amas_orchestrator.usecases.watch_run import WatchRun
from amas_orchestrator.usecases.write_record import Recorder

NAME = "orchestrator"
# Seconds between looks at what may have been forgotten, and between readings of the queue for its metrics.
WAKE_SECONDS = 1.0
NOTICE_SECONDS = 1.0
WEBHOOK_SECONDS = 1.0
QUEUE_METRICS_SECONDS = 5.0
ORPHANS_SECONDS = 20.0
# A run that has been queued for longer than this may have no queue entry (seconds); so many are looked after at once.
FORGOTTEN_SECONDS = 10.0
FORGOTTEN_BATCH = 64


async def build() -> ServiceSpec:
    """The service, once its database is there and fits it."""
    settings = load(OrchestratorSettings)
    policies, endpoints = _policies(settings), _endpoints(settings)
    if settings.otlp_endpoint:
        # A span of each statement only where somebody sees it.
        # Without parameters, which are the contents of runs. The package has no types.
        AsyncPGInstrumentor(capture_parameters=False).instrument()  # type: ignore[no-untyped-call]
    # Now, not when a run waits: whoever compiles for a second renews no lease meanwhile.
    whole_engine(KeptFiles(settings.compiled_dir) if settings.compiled_dir else None)
    async with waiting_for("database", settings.http_listen):
        database = await wait_for_database(settings.service_dsn(), newest_revision(), settings.start_timeout)
        service = _Service(settings, policies, endpoints, database)
        await service.lease.register()
        await service.engine.launch(service.orchestration.run, service.orchestration.run_spawned)
    return service.spec()


def _policies(settings: OrchestratorSettings) -> PolicySet:
    try:
        return read_policies(settings.policy_dir)
    except PolicyFilesError as error:
        raise SettingsError(f"AMAS_ORCHESTRATOR_POLICY_DIR: {error}") from error


def _endpoints(settings: OrchestratorSettings) -> Endpoints:
    try:
        return read_endpoints(settings.webhooks_file)
    except WebhookFileError as error:
        raise SettingsError(f"AMAS_ORCHESTRATOR_WEBHOOKS_FILE: {error}") from error


class _Service:
    """All parts of the process."""

    def __init__(
        self, settings: OrchestratorSettings, policies: PolicySet, endpoints: Endpoints, database: Database
    ) -> None:
        clock = SystemClock()
        self.settings, self.database = settings, database
        self.telemetry = OrchestratorTelemetry()
        self.runs, self.approvals = PostgresRuns(database), PostgresApprovals(database)
        self.bundles, self.executors = PostgresBundles(database), PostgresExecutors(database)
        self.revocations = PostgresRevocations(database)
        self.notifications = Notifications(settings.service_dsn())
        self.gate = StepGate(clock)
        # New for each process: one that starts again must not pass for the one that died.
        executor_id = f"executor-{uuid.uuid4()}"
        limits = EngineLimits(settings.run_concurrency, settings.tenant_concurrency, settings.queue_poll_seconds)
        self.engine = DbosEngine(settings.service_dsn(), settings.dbos_schema, executor_id, self.gate, limits)
        self.lease = Lease(self.executors, self.gate, clock, executor_id, settings.lease_seconds)
        self.channels = ClientChannels(settings.tls_files(), NAME, name_suffix=settings.trust_domain)
        self.clock = clock
        self._clients()
        self.wakes = SendWakes(self.approvals, self.engine)
        self.spread = SpreadRevocations(self.revocations, self.copies, self.runs, self.wakes, clock)
        patience = Patience(clock, self.telemetry)
        answers = ShowAnswers(self.policy, patience)
        recorder = Recorder(self.audit, self.runs, answers, patience)
        human = AskHuman(self.approvals, recorder, answers, patience, clock)
        actions = ActionRunner(self.policy, human, recorder, patience, clock, self.telemetry)
        turns = TurnRunner(self.router, self.policy, actions, self.spread, recorder, patience, clock, self.telemetry)
        delegation = AskDelegation(self.policy, recorder, patience, clock)
        self.orchestration = RunOrchestration(
            self.runs,
            self.approvals,
            self.bundles,
            StepRunner(turns, actions, delegation, LowerLabel(human, clock), recorder, clock, self.telemetry),
            recorder,
            answers,
            patience,
            self.notifications,
            clock,
            self.telemetry,
        )
        self.notices = SendNotices(self.approvals, self.runs, self.audit, clock)
        sender = HttpSender(settings.webhook_secrets_dir)
        self.webhooks = SendWebhooks(PostgresOutbox(database), sender, endpoints, clock, self.telemetry)
        self.sweep = TakeOver(self.executors, self.runs, self.audit, self.engine, patience, clock, self.telemetry)
        self.api = OrchestratorApi(self._use_cases(policies))

    def _clients(self) -> None:
        settings, channels = self.settings, self.channels
        # As frames: every model call and every action of a run is decided there.
        policy = channels.mux_client(policy_client.make_stub, settings.policy_target, "policy-sidecar")
        router = channels.client(router_client.make_stub, settings.ai_router_target, "ai-router")
        audit = channels.mux_client(audit_client.make_stub, settings.audit_target, "audit")
        self.policy = policy_client.PolicyClient(policy, self._bundle_content)
        self.copies = RevocationPush(policy)
        self.router = router_client.RouterClient(router, self._bundle_content)
        self.audit = audit_client.AuditClient(audit)

    async def _bundle_content(self, tenant: str, digest: str) -> bytes:
        bundle = await self.bundles.pinned(tenant, digest)
        if bundle is None:
            raise AmasError(ErrorKind.NOT_FOUND, "BUNDLE_NOT_FOUND", "there is no such bundle")
        return bundle.content

    def _use_cases(self, policies: PolicySet) -> UseCases:
        clock = self.clock
        ask = AskAdministration(self.policy, policies)
        edits = EditAction(self.approvals, self.runs, self.policy, clock)
        return UseCases(
            start_run=StartRun(self.runs, self.bundles, self.spread, self.revocations, self.engine, clock),
            read_runs=ReadRuns(self.runs),
            watch_run=WatchRun(self.runs, self.notifications),
            cancel_run=CancelRun(self.runs, self.wakes, clock),
            decide_approval=DecideApproval(self.approvals, edits, self.audit, self.wakes, clock),
            edit_action=edits,
            read_approvals=ReadApprovals(self.approvals),
            apply_resources=ApplyResources(self.bundles, policies, ask, self.audit, clock),
            read_resources=ReadResources(self.bundles, self.policy),
            revoke=Revoke(self.revocations, self.bundles, ask, self.audit, self.spread, clock),
            authorize_audit=AuthorizeAudit(self.bundles, ask),
            restore=Restore(self.revocations, self.bundles, ask, self.audit, self.spread, clock),
            read_revocations=ReadRevocations(self.revocations, self.spread),
        )

    def spec(self) -> ServiceSpec:
        """How the process lives."""
        revision = newest_revision()

        async def database_answers() -> None:
            await self.database.check(revision)

        async def listen() -> None:
            await self.notifications.listen(self.runs.to_cancel)

        async def take_over() -> None:
            await self.lease.take_over(self.sweep)

        return ServiceSpec(
            name=NAME,
            settings=self.settings,
            services=[GrpcService(SERVICE, orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server, self.api)],
            callers=CALLERS,
            checks={"database": database_answers},
            background=[
                self.lease.keep,
                self.spread.keep,
                take_over,
                listen,
                lambda: repeat("wakes", WAKE_SECONDS, self.wakes),
                lambda: repeat("notices", NOTICE_SECONDS, self.notices),
                lambda: repeat("webhooks", WEBHOOK_SECONDS, self.webhooks),
                lambda: repeat("forgotten runs", FORGOTTEN_SECONDS, self._remember),
                lambda: repeat("orphans", ORPHANS_SECONDS, lambda: self.sweep.orphans(self.lease.executor_id)),
                lambda: repeat("queue metrics", QUEUE_METRICS_SECONDS, self._measure_queue),
            ],
            on_drain=[self._drain],
            on_stop=[self.engine.stop, self._leave],
        )

    async def _remember(self) -> None:
        cutoff = self.clock.now() - timedelta(seconds=FORGOTTEN_SECONDS)
        for run in await self.runs.queued_before(cutoff, FORGOTTEN_BATCH):
            await self.engine.enqueue(run)

    async def _measure_queue(self) -> None:
        self.telemetry.queue(*await self.runs.queue())

    async def _drain(self) -> None:
        """Lets bodies that run come to their end, as long as the drain lasts; nothing new begins."""
        self.gate.drain()
        self.notifications.close()
        try:
            async with asyncio.timeout(self.settings.drain_timeout):
                await self.gate.idle()
        except TimeoutError:
            # What is cut is done again by whoever takes the run over, under the same keys.
            return

    async def _leave(self) -> None:
        """Another executor may take over at once what this one has not finished."""
        await self.lease.release()
        await self.channels.close()
        await self.database.close()
