"""reconcile: every resource gets its verdict, and a round over the same changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from amas_chassis.clock import ManualClock
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.resources import parse_manifest
from amas_operator.domain.errors import UnavailableError
from amas_operator.domain.model import Key
from amas_operator.telemetry import OperatorTelemetry
from amas_operator.usecases.reconcile import Reconcile
from prometheus_client import CollectorRegistry

from libs.governance.tests import manifests

from .fakes import FakeCluster, FakePlatform

ROLE = Key("AgentRole", "writer")
FLOW = Key("Orchestration", "flow")


@dataclass
class Stage:
    """A namespace, a platform and what brings them together."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    platform: FakePlatform = field(default_factory=FakePlatform)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        clock = ManualClock(datetime(2026, 11, 28, tzinfo=UTC))
        self.round = Reconcile(self.cluster, self.platform, OperatorTelemetry(self.registry), clock)

    def put_all(self, *more: dict[str, Any]) -> None:
        """Everything that a governed run needs, and more."""
        flow = manifests.orchestration({"name": "only", "role": "writer", "with": {"text": "${input.path}"}})
        for manifest in (manifests.provider(), manifests.route(), manifests.role(), flow, *more):
            self.cluster.put(manifest)


@pytest.fixture
def stage() -> Stage:
    """An empty one."""
    return Stage()


async def test_what_stands_in_the_namespace_comes_into_force(stage: Stage) -> None:
    """Each is Ready, and names the bundle that `amas apply` of the same files would make."""
    stage.put_all()
    await stage.round()
    wanted = Bundle.build([parse_manifest(held.manifest) for held in stage.cluster.objects.values()], PolicySet())
    for resource in stage.cluster.objects.values():
        assert stage.cluster.ready(resource.key)[:2] == ("True", "Applied")
        assert resource.status["bundleDigest"] == wanted.digest
        assert resource.status["bundle"] == wanted.digest[7:19]
        assert resource.status["observedGeneration"] == resource.generation


async def test_a_second_round_writes_nothing(stage: Stage) -> None:
    """Idempotent: neither statuses nor finalizers are written again, and the platform keeps its bundle."""
    stage.put_all()
    await stage.round()
    before = (stage.cluster.status_writes, stage.cluster.finalizer_writes, stage.platform.bundle())
    await stage.round()
    assert (stage.cluster.status_writes, stage.cluster.finalizer_writes, stage.platform.bundle()) == before


async def test_a_change_of_one_writes_one_status(stage: Stage) -> None:
    """The others keep the bundle that they came into force with."""
    stage.put_all()
    await stage.round()
    first, writes = stage.platform.bundle(), stage.cluster.status_writes
    stage.cluster.put(manifests.role(purpose="Writes well.", version="1.0.1"))
    await stage.round()
    assert stage.cluster.status_writes == writes + 1
    assert stage.cluster.objects[ROLE].status["bundleDigest"] == stage.platform.bundle() != first
    assert stage.cluster.objects[FLOW].status["bundleDigest"] == first


async def test_one_that_is_no_resource_does_not_stop_the_others(stage: Stage) -> None:
    """It says which field is wrong, is not held by a finalizer, and everything else is in force."""
    wrong = manifests.role("broken", output={"schema": {"type": "object", "required": "a"}})
    stage.put_all(wrong)
    await stage.round()
    status, reason, message = stage.cluster.ready(Key("AgentRole", "broken"))
    assert (status, reason) == ("False", "Invalid")
    assert message.startswith("spec.output.schema.required: not a usable JSON Schema")
    assert stage.cluster.objects[Key("AgentRole", "broken")].finalizers == ()
    assert stage.cluster.ready(FLOW)[0] == "True"
    assert stage.registry.get_sample_value("amas_operator_resources", {"ready": "false"}) == 1


async def test_what_refers_to_nothing_is_left_out_with_all_that_needs_it(stage: Stage) -> None:
    """Round by round: an orchestration of a role of a route that is not there. The rest is in force."""
    lost = manifests.role("lost", model={"route": "nowhere"})
    flow = manifests.orchestration({"name": "only", "role": "lost", "with": {"text": "${input.path}"}})
    flow["metadata"]["name"] = "lost-flow"
    stage.put_all(lost, flow)
    await stage.round()
    assert stage.cluster.ready(Key("AgentRole", "lost"))[1] == "Refused"
    assert "nowhere" in stage.cluster.ready(Key("AgentRole", "lost"))[2]
    assert "unknown role lost" in stage.cluster.ready(Key("Orchestration", "lost-flow"))[2]
    assert stage.cluster.ready(FLOW)[0] == "True"
    stage.cluster.put(manifests.route() | {"metadata": {"name": "nowhere"}})
    await stage.round()
    assert stage.cluster.ready(Key("Orchestration", "lost-flow"))[0] == "True"


async def test_a_bad_change_leaves_the_earlier_version_in_force(stage: Stage) -> None:
    """And says that it is not this generation which is in force."""
    stage.put_all()
    await stage.round()
    held = stage.platform.bundle()
    stage.cluster.put(manifests.role(model={"route": "nowhere"}))
    await stage.round()
    resource = stage.cluster.objects[ROLE]
    assert stage.cluster.ready(ROLE)[:2] == ("False", "Refused")
    assert resource.status["observedGeneration"] == resource.generation == 2
    assert resource.status["bundleDigest"] == held == stage.platform.bundle()


async def test_what_policy_forbids_stops_that_alone(stage: Stage) -> None:
    """The platform refuses a request whole; so the others are applied one by one."""
    stage.platform.forbidden = {Key("ToolServer", "git")}
    stage.put_all(manifests.server())
    await stage.round()
    status, reason, message = stage.cluster.ready(Key("ToolServer", "git"))
    assert (status, reason) == ("False", "Refused")
    assert "NOT_ADMITTED" in message
    assert stage.cluster.ready(FLOW)[0] == "True"
    assert Key("ToolServer", "git") not in stage.platform.held


async def test_a_platform_that_is_away_makes_nothing_less_ready(stage: Stage) -> None:
    """What is in force stays so; what is new is unknown, and Ready once the platform is back."""
    stage.put_all()
    await stage.round()
    stage.platform.away = True
    stage.cluster.put(manifests.role("reader"))
    with pytest.raises(UnavailableError):
        await stage.round()
    assert stage.cluster.ready(ROLE)[0] == "True"
    assert stage.cluster.ready(Key("AgentRole", "reader"))[:2] == ("Unknown", "PlatformUnavailable")
    assert stage.registry.get_sample_value("amas_operator_rounds_total", {"outcome": "unavailable"}) == 1
    stage.platform.away = False
    await stage.round()
    assert stage.cluster.ready(Key("AgentRole", "reader"))[0] == "True"


async def test_a_deletion_is_done_when_the_platform_has_let_go(stage: Stage) -> None:
    """A role in use stays, says who needs it, and goes once nobody does; the orchestration is untouched meanwhile."""
    stage.put_all()
    await stage.round()
    stage.cluster.delete(ROLE)
    await stage.round()
    assert stage.cluster.ready(ROLE)[:2] == ("False", "StillNeeded")
    assert "Orchestration flow: unknown role writer" in stage.cluster.ready(ROLE)[2]
    assert stage.cluster.ready(FLOW)[0] == "True"
    assert ROLE in stage.platform.held
    stage.cluster.delete(FLOW)
    await stage.round()
    assert not {ROLE, FLOW} & (stage.cluster.objects.keys() | stage.platform.held.keys())


async def test_all_of_a_namespace_can_go_at_once(stage: Stage) -> None:
    """In one request, whatever refers to what; also where the platform has already lost one of them."""
    stage.put_all()
    await stage.round()
    del stage.platform.held[FLOW]
    for key in list(stage.cluster.objects):
        stage.cluster.delete(key)
    requests = stage.platform.requests
    await stage.round()
    assert stage.cluster.objects == {}
    assert stage.platform.held == {}
    assert stage.platform.requests == requests + 1


async def test_the_finalizer_comes_before_the_platform_hears_of_a_resource(stage: Stage) -> None:
    """Else a deletion between the two would leave it in force for ever."""
    stage.put_all()
    stage.platform.away = True
    with pytest.raises(UnavailableError):
        await stage.round()
    assert all(resource.finalizers for resource in stage.cluster.objects.values())


async def test_what_others_applied_is_left_alone(stage: Stage) -> None:
    """Resources that no custom resource names are nobody's business here."""
    other = parse_manifest(manifests.route() | {"metadata": {"name": "by-hand"}})
    stage.platform.held[Key("ModelRoute", "by-hand")] = other
    stage.platform.held[Key("ModelProvider", "local")] = parse_manifest(manifests.provider())
    stage.put_all()
    await stage.round()
    assert stage.platform.held[Key("ModelRoute", "by-hand")] is other
