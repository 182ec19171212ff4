"""The documents of the resource reference (docs) are valid as they stand, and fit together."""

from __future__ import annotations

from pathlib import Path

from amas_governance.bundle import Bundle, PolicySet
from amas_governance.consistency import check
from amas_governance.loader import LoadResult, SourceFile, load
from amas_governance.resources import AgentRole, Budget, ModelRoute, Quota, ToolServer

REFERENCE = Path(__file__).parent / "reference.yaml"


def reference() -> LoadResult:
    """The loaded documents."""
    return load([SourceFile(REFERENCE.name, REFERENCE.read_text(encoding="utf-8"))])


def test_every_example_loads() -> None:
    """What the reference shows is accepted, one of each kind."""
    result = reference()
    assert result.problems == []
    assert sorted(resource.KIND for resource in result.resources) == [
        "AgentRole",
        "Budget",
        "ModelProvider",
        "ModelRoute",
        "Orchestration",
        "Quota",
        "ToolServer",
    ]


def test_the_examples_mean_what_the_reference_says() -> None:
    """Durations are seconds, sizes bytes, money decimal."""
    by_kind = {type(resource): resource for resource in reference().resources}
    role, server, route, budget = (by_kind[kind] for kind in (AgentRole, ToolServer, ModelRoute, Budget))
    quota = by_kind[Quota]
    assert isinstance(quota, Quota)
    assert (quota.spec.bytes_in, quota.spec.wall_clock, str(quota.spec.rate)) == (4 * 1024 * 1024, 600, "30/m")
    assert isinstance(role, AgentRole)
    assert role.spec.tools[1].approval is not None
    assert role.spec.tools[1].approval.expires_in == 1800
    assert role.spec.bounds.bytes_out == 65536
    assert str(role.spec.bounds.cost) == "0.25 USD"
    assert isinstance(server, ToolServer)
    assert str(server.spec.limits.rate) == "60/m"
    assert isinstance(route, ModelRoute)
    assert route.spec.targets[0].timeout.first_token == 5
    assert route.spec.retry.budget == 0.1
    assert isinstance(budget, Budget)
    assert budget.spec.alert_at == (0.5, 0.8)


def test_only_what_the_reference_leaves_out_is_missing() -> None:
    """The reference shows one of each kind, so the other roles, server and provider are all that is unknown."""
    result = reference()
    messages = " ".join(problem.message for problem in check(result.resources, result.positions))
    for missing in ("role historian", "role analyst", "role writer", "tool server workspace", "model provider local"):
        assert f"unknown {missing}" in messages
    assert messages.count("unknown") == 5


def test_the_examples_make_a_bundle() -> None:
    """They can be put in a bundle and read back."""
    bundle = Bundle.build(reference().resources, PolicySet())
    assert Bundle.parse(bundle.content).digest == bundle.digest
