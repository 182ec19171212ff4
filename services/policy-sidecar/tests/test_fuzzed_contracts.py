"""I1: whatever a contract says and a model proposes, nothing passes that the contract forbids, and nothing crashes.

Contracts and proposals are generated; another implementation of JSON Schema gives a second opinion on each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from amas_chassis.errors import AmasError
from amas_governance.narrowing import merge_argument_schema, validate_arguments
from amas_governance.pins import tool_list_pin
from amas_policy_sidecar.domain.arguments import check_arguments, parse_arguments
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import Effect, Outcome, ToolDescription
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from .fakes import ALLOW, DENY, escalating
from .fuzzing import SCHEMAS, allows, argument_texts, strictly
from .manifests import bundle, role, tool_server
from .world import World

CAREFULLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
LOG = ToolDescription("log", "Shows the log.", {"type": "object"}, {"name": "log", "inputSchema": {"type": "object"}})
NONSENSE = [None, [], "allow", {"effect": "allow"}, {**ALLOW, "effect": "yes"}, {**ALLOW, "approval": {}}]


@CAREFULLY
@given(data=st.data(), tool=SCHEMAS, narrowings=st.lists(SCHEMAS, max_size=2))
def test_arguments_that_pass_satisfy_every_schema(
    data: st.DataObject, tool: dict[str, Any], narrowings: list[dict[str, Any]]
) -> None:
    """I1: what the argument check lets through is one JSON object that all agree on, valid under tool and contracts."""
    text = data.draw(argument_texts((*narrowings, tool)[0]), label="arguments")
    try:
        arguments = parse_arguments(text)
        check_arguments(arguments, tool, narrowings)
    except Denied as denied:
        event(denied.reasons[0].code)
        return
    event("passed")
    assert arguments == strictly(text)
    for schema in (tool, *narrowings):
        assert allows(schema, arguments)


@CAREFULLY
@given(data=st.data(), tool=SCHEMAS, narrowing=SCHEMAS)
def test_what_a_model_is_shown_is_what_is_enforced(
    data: st.DataObject, tool: dict[str, Any], narrowing: dict[str, Any]
) -> None:
    """The merged schema of ListTools refuses and lets through exactly what tool and contract do together."""
    try:
        arguments = parse_arguments(data.draw(argument_texts(tool), label="arguments"))
    except Denied:
        return
    shown = not validate_arguments(merge_argument_schema(tool, narrowing), arguments)
    try:
        check_arguments(arguments, tool, [narrowing])
    except Denied:
        assert not shown
    else:
        assert shown


def offered(schema: Mapping[str, Any]) -> list[ToolDescription]:
    """The tools of the server, with this schema for `commit`."""
    commit = ToolDescription("commit", "Commits.", schema, {"name": "commit", "inputSchema": dict(schema)})
    return [LOG, commit]


def chain(tools: list[list[Mapping[str, Any]]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Roles that delegate to one another, outermost first, and the names of those that delegated."""
    names = [f"role{index}" for index in range(len(tools))]
    roles = [
        role(name, granted, delegates=names[index + 1 : index + 2])
        for index, (name, granted) in enumerate(zip(names, tools, strict=True))
    ]
    return roles, tuple(names[:-1])


def plainly(value: Any) -> str:
    """A text that tells booleans from numbers, and 2^53, which only a double holds, not from the same digits."""
    return json.dumps(json.loads(json.dumps(value), parse_int=float), sort_keys=True)


BOTH = ["git/log", "git/commit"]
GRANTS = st.lists(st.sampled_from([BOTH, BOTH, BOTH, ["git/log"], ["git/commit"], []]), min_size=1, max_size=3)
"""The tools that each role of a chain grants."""


@CAREFULLY
@given(data=st.data(), schema=SCHEMAS, names=GRANTS)
def test_what_reaches_a_tool_is_within_tool_contracts_and_grants(
    data: st.DataObject, schema: dict[str, Any], names: list[list[str]]
) -> None:
    """I1: through the whole of enforcement, whatever policy says, a call that is made was granted by every role."""
    narrowings = [data.draw(st.none() | SCHEMAS, label="narrowing") for _ in names]
    text = data.draw(argument_texts(schema), label="arguments")
    tools = [
        [
            {"name": name, **({"arguments": narrowing} if narrowing is not None and name == "git/commit" else {})}
            for name in granted
        ]
        for granted, narrowing in zip(names, narrowings, strict=True)
    ]
    roles, delegated_by = chain(tools)
    live = offered(schema)
    pin = tool_list_pin([tool.definition for tool in live])
    world = World(bundle=bundle(*roles, tool_server(pin=pin)))
    world.tools.offered = live
    answer: Any = data.draw(st.sampled_from([ALLOW] * 6 + [DENY, escalating, *NONSENSE]), label="policy")
    world.engine.answer = answer
    tool = data.draw(st.sampled_from(["git/commit"] * 4 + ["git/log", "git/push", "mail/send"]), label="tool")
    acting = roles[-1]["metadata"]["name"]

    try:
        enforced = asyncio.run(world.enforce(world.command(tool, text, role=acting, delegated_by=delegated_by)))
    except AmasError as error:
        event(error.reason)
        assert world.tools.calls == []
        return

    event(f"{enforced.decision.effect.value}: {enforced.decision.reasons[0].code}")
    assert (enforced.decision.effect is Effect.ALLOW) == bool(world.tools.calls)
    if not world.tools.calls:
        assert enforced.result.outcome is Outcome.NOT_CALLED
        return
    ((called, arguments),) = world.tools.calls
    assert answer is ALLOW
    assert f"git/{called}" == tool
    assert all(tool in granted for granted in names)
    assert plainly(arguments) == plainly(strictly(text))
    if called == "commit":
        assert allows(schema, arguments)
        assert all(allows(narrowing, arguments) for narrowing in narrowings if narrowing is not None)
