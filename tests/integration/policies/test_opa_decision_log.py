"""OPA's own log of its decisions reaches audit: masked, complete, with its loss counted."""

from __future__ import annotations

import copy
import json

import pytest
from amas_chassis import telemetry
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_governance.canonical import digest
from amas_policy_sidecar.domain import engine_reports

from .opa_beside import Beside, eventually
from .test_engine_faults import CASE

pytestmark = pytest.mark.integration
BUNDLE = "sha256:" + "1" * 64
PLANTED = "planted-argument-4f9a"


def planted() -> dict:
    """The case's input with a mark in every place that is content."""
    document = copy.deepcopy(CASE.document)
    document["action"]["arguments"] = {"message": PLANTED, PLANTED: [PLANTED]}
    document["approval"] = {"id": PLANTED, "approvers": [PLANTED], "requester": PLANTED, "valid": True}
    return document


class Overheard:
    """What OPA posts as its log, as it stands on the wire."""

    def __init__(self, made: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
        from amas_policy_sidecar.entrypoints import opa_api

        self.posted: list[dict] = []
        honest = opa_api.read_decisions

        def read(events: object):
            self.posted.extend(events)
            return honest(events)

        monkeypatch.setattr(opa_api, "read_decisions", read)


async def test_a_decision_is_on_record_without_contents(beside, policy_set, monkeypatch):
    """I10: audit gets revision, effect, codes, trace and digest of the input; nothing planted leaves OPA."""
    overheard = Overheard(beside, monkeypatch)
    telemetry.configure("test", None)
    document = planted()
    await beside.engine.load(BUNDLE, policy_set)
    with telemetry.tracer("test").start_as_current_span("call"):
        trace = telemetry.current_trace_id()
        decision = await beside.engine.decide(BUNDLE, document)
    await eventually(lambda: bool(beside.audit.events))
    (event,) = beside.audit.events
    assert event.type == "dev.amas.policy.decided"
    assert trace in event.traceparent
    assert event.context.principal.tenant == document["principal"]["tenant"]
    assert event.context.bundle == BUNDLE
    assert event.context.role == document["role"]["name"]
    name = beside.revisions.names()[0]
    assert event.data["revision"] == beside.revisions.bundle(name).revision
    assert event.data["effect"] == decision["effect"]
    assert event.data["codes"] == [reason["code"] for reason in decision["reasons"]]
    assert event.data["inputDigest"] == digest(document)
    assert event.context.step == document["run"]["step"]
    assert PLANTED not in json.dumps(event.data)
    assert PLANTED not in json.dumps(overheard.posted)
    assert set(overheard.posted[0]["input"]) == {"principal", "step", "role"}
    assert set(overheard.posted[0]["result"]) == {"effect", "codes"}
    assert len(beside.awaited) == 0


@pytest.mark.parametrize("document", [{}, {"principal": PLANTED}, {"action": {"kind": PLANTED}, "role": PLANTED}])
async def test_an_input_of_another_shape_is_masked_whole(beside, policy_set, monkeypatch, document):
    """What the mask does not know is left out, and that the entry cannot be recorded is counted."""
    overheard = Overheard(beside, monkeypatch)
    await beside.engine.load(BUNDLE, policy_set)
    assert (await beside.engine.decide(BUNDLE, document))["effect"] == "deny"
    await eventually(lambda: bool(overheard.posted))
    assert PLANTED not in json.dumps(overheard.posted)
    await eventually(lambda: beside.counted("amas_policy_engine_logs", result="unreadable") >= 1)
    assert not beside.audit.events
    assert len(beside.awaited) == 0


@pytest.mark.parametrize("missing", [{"role": None}, {"role": None, "run": None, "context": {"label": None}}])
async def test_who_has_no_role_or_run_is_on_record(beside, policy_set, missing):
    """A direct model call and an act of administration have entries as well."""
    document = {**copy.deepcopy(CASE.document), **missing}
    await beside.engine.load(BUNDLE, policy_set)
    await beside.engine.decide(BUNDLE, document)
    await eventually(lambda: bool(beside.audit.events))
    assert beside.audit.events[0].context.role == ""


async def test_an_evaluation_that_fails_is_refused_and_on_record(beside):
    """Two answers at once are no decision; OPA's log says that it failed, and quotes nothing."""
    source = 'package amas.main\n\ndecision := {"effect": "allow"} if input.action\n\ndecision := input.action if true'
    await beside.engine.load(BUNDLE, PolicySet({"main/policy.rego": source}))
    with pytest.raises(AmasError, match="OPA answered 500"):
        await beside.engine.decide(BUNDLE, planted())
    await eventually(lambda: bool(beside.audit.events))
    (event,) = beside.audit.events
    assert event.data["failed"] is True
    assert (event.data["effect"], event.data["codes"]) == ("", [])
    assert PLANTED not in json.dumps(event.data)
    assert beside.counted("amas_policy_engine_faults", fault="failed") == 1


async def test_what_audit_could_not_take_comes_again(beside, policy_set):
    """While audit is away OPA keeps its log; nothing is lost or counted as lost."""
    beside.audit.away = True
    await beside.engine.load(BUNDLE, policy_set)
    for _ in range(3):
        await beside.engine.decide(BUNDLE, CASE.document)
    await eventually(lambda: beside.audit.turned_away > 0)
    assert len(beside.awaited) == 3
    beside.audit.away = False
    await eventually(lambda: len(beside.audit.events) >= 3)
    assert len({event.id for event in beside.audit.events}) == 3
    assert len(beside.awaited) == 0
    assert beside.counted("amas_policy_engine_logs", result="missing") == 0
    assert beside.counted("amas_policy_engine_logs", result="recorded") >= 3


async def test_a_log_that_never_comes_is_counted(beside, policy_set, monkeypatch):
    """An OPA that dies with its log leaves a number, not a silence."""
    beside.audit.away = True
    await beside.engine.load(BUNDLE, policy_set)
    for _ in range(3):
        await beside.engine.decide(BUNDLE, CASE.document)
    beside.opa.stop()
    beside.awaiting.give_up()
    assert beside.counted("amas_policy_engine_logs", result="missing") == 0
    monkeypatch.setattr(engine_reports, "PATIENCE", 0.0)
    beside.awaiting.give_up()
    assert beside.counted("amas_policy_engine_logs", result="missing") == 3


async def test_an_opa_that_does_not_log_is_counted(beside, policy_set, monkeypatch):
    """Without a decision id in the answer no log will come, and that shows at once."""
    asked = beside.engine._request

    async def without_id(*args, **named):
        answer = json.loads(await asked(*args, **named) or b"{}")
        answer.pop("decision_id", None)
        return json.dumps(answer).encode()

    await beside.engine.load(BUNDLE, policy_set)
    monkeypatch.setattr(beside.engine, "_request", without_id)
    await beside.engine.decide(BUNDLE, CASE.document)
    assert beside.counted("amas_policy_engine_logs", result="missing") == 1
