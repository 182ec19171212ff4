"""The gateway's use cases and applications over fakes, put together as bootstrap does it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from amas_chassis.clock import Clock, SystemClock
from amas_gateway.domain.limits import Rate, RouteClass
from amas_gateway.entrypoints import http_api
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.http_edge import HttpEdge
from amas_gateway.entrypoints.model_api.app import ModelApi
from amas_gateway.telemetry import Instruments
from amas_gateway.usecases.admit_request import AdmitRequest, Rates
from amas_gateway.usecases.apply_resources import ApplyResources
from amas_gateway.usecases.authenticate import Authenticate
from amas_gateway.usecases.cancel_run import CancelRun
from amas_gateway.usecases.catalogue import Catalogue
from amas_gateway.usecases.complete_chat import CompleteChat
from amas_gateway.usecases.decide_approval import DecideApproval
from amas_gateway.usecases.describe_tool_server import DescribeToolServer
from amas_gateway.usecases.embed_text import EmbedText
from amas_gateway.usecases.erase_contents import EraseContents
from amas_gateway.usecases.find_subject import FindSubject
from amas_gateway.usecases.get_approval import GetApproval
from amas_gateway.usecases.get_run import GetRun
from amas_gateway.usecases.hold_stream import HoldStream
from amas_gateway.usecases.list_approvals import ListApprovals
from amas_gateway.usecases.list_budgets import ListBudgets
from amas_gateway.usecases.list_models import ListModels
from amas_gateway.usecases.list_resources import ListResources
from amas_gateway.usecases.list_revocations import ListRevocations
from amas_gateway.usecases.list_runs import ListRuns
from amas_gateway.usecases.preview_edit import PreviewEdit
from amas_gateway.usecases.query_usage import QueryUsage
from amas_gateway.usecases.read_audit import ReadAudit
from amas_gateway.usecases.restore import Restore
from amas_gateway.usecases.revoke import Revoke
from amas_gateway.usecases.start_run import StartRun
from amas_gateway.usecases.stream_chat import StreamChat
from amas_gateway.usecases.under_bundle import UnderBundle
from amas_gateway.usecases.watch_run import WatchRun
from prometheus_client import CollectorRegistry

from .fake_revocations import FakeRevocations, FakeRevoked
from .fake_services import FakeAudit, FakeBundles, FakeModels, FakeUsage
from .fakes import FakeApprovals, FakeLimiter, FakeResources, FakeRuns, FakeVerifier, RecordedDenials

MAX_BODY_BYTES = 10_000


async def _no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


@dataclass
class World:
    """All fakes, and what stands over them. Make it inside a running loop."""

    runs: FakeRuns = field(default_factory=FakeRuns)
    approvals: FakeApprovals = field(default_factory=FakeApprovals)
    resources: FakeResources = field(default_factory=FakeResources)
    models: FakeModels = field(default_factory=FakeModels)
    audit: FakeAudit = field(default_factory=FakeAudit)
    verifier: FakeVerifier = field(default_factory=FakeVerifier)
    limiter: FakeLimiter = field(default_factory=FakeLimiter)
    denials: RecordedDenials = field(default_factory=RecordedDenials)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    heartbeat: float = 15.0
    bundles: FakeBundles = field(default_factory=FakeBundles)
    revocations: FakeRevocations = field(default_factory=FakeRevocations)
    revoked: FakeRevoked = field(default_factory=FakeRevoked)
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self.instruments = Instruments(CollectorRegistry())
        under_bundle = UnderBundle(self.bundles, self.models, self.instruments)
        rates = Rates(Rate.parse("100/s"), Rate.parse("10/s"))
        self.verbs = Catalogue(
            authenticate=Authenticate(self.verifier, self.denials, self.clock, self.instruments),
            admit=AdmitRequest(
                self.limiter, self.revoked, self.denials, dict.fromkeys(RouteClass, rates), self.instruments
            ),
            start_run=StartRun(self.runs),
            get_run=GetRun(self.runs),
            list_runs=ListRuns(self.runs),
            cancel_run=CancelRun(self.runs),
            watch_run=WatchRun(self.runs, self.revoked, _no_pause),
            hold_stream=HoldStream(self.instruments),
            get_approval=GetApproval(self.approvals),
            list_approvals=ListApprovals(self.approvals),
            decide_approval=DecideApproval(self.approvals),
            preview_edit=PreviewEdit(self.approvals),
            apply_resources=ApplyResources(self.resources, self.bundles),
            list_resources=ListResources(self.resources),
            describe_tool_server=DescribeToolServer(self.resources),
            complete_chat=CompleteChat(under_bundle),
            stream_chat=StreamChat(under_bundle, self.revoked),
            embed_text=EmbedText(under_bundle),
            list_models=ListModels(under_bundle),
            query_usage=QueryUsage(FakeUsage()),
            list_budgets=ListBudgets(under_bundle, FakeUsage()),
            read_audit=ReadAudit(self.audit, self.audit, self.audit, self.resources, self.clock),
            find_subject=FindSubject(self.audit, self.audit, self.audit),
            erase_contents=EraseContents(self.audit, self.audit, self.audit),
            revoke=Revoke(self.revocations),
            restore=Restore(self.revocations),
            list_revocations=ListRevocations(self.revocations),
        )
        self.access = Access(self.verbs.authenticate, self.verbs.admit)

    def http(self) -> HttpEdge:
        """The whole HTTP application."""
        rest = http_api.build(self.verbs, self.access, self.clock, self.draining, {}, self.heartbeat)
        models = ModelApi(self.verbs, self.access)
        return HttpEdge(rest, models, self.access, self.instruments, self.draining, MAX_BODY_BYTES)
