"""Builds the graph of a run from its events. What the record does not say is an edge that is possible, never observed.

Edges go forward in the run's sequence alone, so the graph has no cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amas_governance.canonical import digest_bytes
from amas_governance.resources import Orchestration

from amas_cli.replay.recording import (
    DECIDED,
    DELEGATION,
    INTENT,
    MODEL_CALLED,
    OUTCOME,
    REFUSALS,
    REQUESTED,
    RUN_ENDED,
    RUN_STARTED,
    STEP_ENDED,
    STEP_STARTED,
    Event,
    Recording,
)

from .answers import answered, asked_for, named, same, telling
from .graph import Edge, Graph, Node, State, Strength
from .handing import INPUT, Fields, Handing
from .values import Texts, found_again, texts

LOWERED = "dev.amas.label.lowered"
ESCALATED = "dev.amas.action.escalated"
# Where the data of an event has a content under another name.
_MEMBERS = {"structured": "structuredJson"}
OUTPUT = "output"
# Contents that something was given; the others are what it gave. Inputs and outputs are both.
_HEARD = ("request", "arguments", INPUT, OUTPUT)
_BOTH = (INPUT, OUTPUT)
# What a contract calls the input of a step.
_WITH = "with"
# Length of an output that is null, which is no content.
NULL_BYTES = 4


def lineage(recording: Recording, orchestration: Orchestration | None = None) -> Graph:
    """The graph of a record. With the run's orchestration, steps are given what its contract names, and no more."""
    builder = _Builder(recording, None if orchestration is None else Handing(orchestration))
    for event in recording.events:
        builder.take(event)
    builder.observe()
    return builder.graph


class _Builder:
    def __init__(self, recording: Recording, handing: Handing | None) -> None:
        self._handing = handing
        self.graph = Graph(recording.run, recording.tenant)
        self._context: dict[str, list[str]] = {}
        """By step: what its next model call has before it that the call before had not, and that call."""
        self._model: dict[str, str] = {}
        self._ended: list[str] = []
        self._approvals: dict[str, Event] = {}
        self._handlers: dict[str, Callable[[Event], None]] = {
            RUN_STARTED: self._run_started,
            STEP_STARTED: self._step,
            MODEL_CALLED: self._model_called,
            INTENT: self._action,
            **dict.fromkeys(REFUSALS, self._action),
            OUTCOME: self._outcome,
            REQUESTED: self._requested,
            DECIDED: self._decided,
            DELEGATION: self._delegation,
            LOWERED: self._lowered,
            STEP_ENDED: self._step_ended,
            RUN_ENDED: self._run_ended,
        }

    def take(self, event: Event) -> None:
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(event)

    def _run_started(self, event: Event) -> None:
        node = self._node(event, INPUT, "input", "run input", "input")
        node.principal = node.principal or str(event.data.get("requester", ""))

    def _requested(self, event: Event) -> None:
        self._approvals[str(event.data.get("approval_id", ""))] = event

    def _run_ended(self, event: Event) -> None:
        node = self._node(event, OUTPUT, "output", "run output")
        self._ends(node, event)
        for answer in self._ended:
            self._came_out(answer, node)
        if self._handing is not None:
            self._came_out(INPUT, node)

    def observe(self) -> None:
        """Hold what people, tools and models said against what models and tools were given later."""
        nodes = list(self.graph.nodes.values())
        said = [(node, _of(node, lambda name: name in _BOTH or name not in _HEARD)) for node in nodes]
        for node in nodes:
            later = _of(node, lambda name: name in _HEARD)
            for source, earlier in said if later else ():
                if source.sequence < node.sequence and (pairs := found_again(earlier, later)):
                    self.graph.connect(Edge(source.id, node.id, Strength.OBSERVED, "its text stands there", pairs))

    def _step(self, event: Event) -> None:
        node = self._node(event, f"step:{event.step}", "step", event.step)
        # Records of before it was kept say nothing of it.
        if INPUT in event.contents or event.data.get(INPUT) is not None:
            self._contents(node, event, INPUT)
        if INPUT in node.values:
            node.digests |= named(node.values[INPUT])
        parent = event.step.rpartition("/")[0]
        if parent:
            for context in self._before(parent):
                self._possible(context, node.id, "the step that it is part of")
        else:
            for source in (INPUT, *self._ended):
                self._given(source, node, self._step_fields(event.step, _path(source)))
        self._context[event.step] = [node.id]

    def _given(self, source: str, step: Node, fields: Fields | None) -> None:
        """What was there, or the part of it that the contract names, is the step's input or a part of it."""
        self._hand(source, step.id, fields)
        if INPUT in step.values:
            self._is(source, step.id, _WITH, step.values[INPUT], fields or ())

    def _model_called(self, event: Event) -> None:
        data = event.data
        node = self._node(
            event,
            f"model:{data.get('callId') or event.id}",
            "model",
            f"{data.get('provider', '')}/{data.get('model', '')}",
            "request",
            "response",
        )
        node.system, node.detail = str(data.get("provider", "")), str(data.get("route", ""))
        node.digests |= {str(data[name]) for name in ("requestDigest", "responseDigest") if data.get(name)}
        for source in self._before(event.step):
            self._possible(source, node.id, "said before in the same step")
        self._context[event.step], self._model[event.step] = [node.id], node.id

    def _action(self, event: Event) -> None:
        if event.data.get("fault"):
            return
        action, (kind, node_id) = event.action, _named(event)
        node = self._node(event, node_id, kind, str(action.get("tool", "")), "input")
        asked = node.values.pop("input", None)
        proposed = asked.get("action") if isinstance(asked, dict) else None
        if isinstance(proposed, dict) and isinstance(proposed.get("arguments"), dict):
            node.values["arguments"] = proposed["arguments"]
        elif node.state is State.GIVEN:
            node.state = State.MISSING
        node.system, node.effect = node.name.partition("/")[0], str(action.get("effect", ""))
        node.digests |= {str(action[name]) for name in ("digest", "argumentsDigest") if action.get(name)}
        self._proposed(event, node)
        if kind == "refusal":
            self._context.setdefault(event.step, []).append(node.id)
        if kind == "action":
            for approval in self._of_kind("approval", str(action.get("digest", ""))):
                self._observed(approval.id, node.id, "the approved digest")

    def _proposed(self, event: Event, node: Node) -> None:
        """The model's call that asked for it: the very arguments by their digest, or the one before it."""
        model = self.graph.nodes.get(self._model.get(event.step, ""))
        if model is None:
            self._possible(f"step:{event.step}", node.id, "the step that it is part of")
        elif str(event.action.get("argumentsDigest", "")) in set(asked_for(model.values.get("response"))):
            self._observed(model.id, node.id, "the digest of the arguments that it asked for")
        else:
            self._possible(model.id, node.id, "the model call before it")

    def _outcome(self, event: Event) -> None:
        key = _key(event)
        node = self._node(event, f"result:{key}", "result", str(event.action.get("tool", "")))
        self._contents(node, event, "text", "structured")
        node.system, node.detail = node.name.partition("/")[0], str(event.data.get("outcome", ""))
        source = self.graph.nodes.get(f"action:{key}")
        if source is not None and event.action.get("digest") in source.digests:
            self._observed(source.id, node.id, "the digest of the action")
        self._context.setdefault(event.step, []).append(node.id)

    def _decided(self, event: Event) -> None:
        data = event.data
        approval, asked = str(data.get("approval_id", "")), self._approvals.get(str(data.get("approval_id", "")))
        node = self._node(event, f"approval:{approval}", "approval", str((asked or event).data.get("tool", "")))
        node.detail = f"{data.get('state', '')} by " + (
            ", ".join(str(one.get("approver", "")) for one in data.get("answers") or ()) or "nobody"
        )
        if asked is not None and asked.data.get("label"):
            node.label = asked.data["label"]
        for proposal in self._of_kind("proposal", str(data.get("action_digest", ""))):
            self._observed(proposal.id, node.id, "the digest of the action")
        if data.get("approved_digest"):
            node.digests.add(str(data["approved_digest"]))
        self._context.setdefault(event.step, []).append(node.id)

    def _of_kind(self, kind: str, known: str) -> list[Node]:
        return [node for node in self.graph.nodes.values() if node.kind == kind and known in node.digests]

    def _delegation(self, event: Event) -> None:
        if event.data.get("fault"):
            return
        node = self._node(event, f"delegation:{event.id}", "delegation", str(event.action.get("delegate", "")))
        node.detail = str((event.data.get("decision") or {}).get("effect", ""))
        for source in self._before(event.step):
            self._possible(source, node.id, "said before in the same step")
        self._context.setdefault(event.step, []).append(node.id)

    def _lowered(self, event: Event) -> None:
        data = event.data
        node = self._node(event, f"lowered:{event.id}", "declassification", str(data.get("by", "")))
        node.label = data.get("to") or {}
        node.detail = f"from {said(data.get('from') or {})}"
        if data.get("valueDigest"):
            node.digests.add(str(data["valueDigest"]))
        for source in self._before(event.step):
            self._possible(source, node.id, "said before in the same step")
        self._context.setdefault(event.step, []).append(node.id)

    def _step_ended(self, event: Event) -> None:
        node = self._node(event, f"answer:{event.step}", "answer", event.step)
        self._ends(node, event)
        model = self.graph.nodes.get(self._model.get(event.step, ""))
        if model is not None and OUTPUT in node.values and answered(model.values.get("response"), node.values[OUTPUT]):
            self._observed(model.id, node.id, "the very value that it answered last")
        for source in self._before(event.step) or [f"step:{event.step}"]:
            self._possible(source, node.id, "the last that its step had before it")
        parent = event.step.rpartition("/")[0]
        if parent:
            self._context.setdefault(parent, []).append(node.id)
        else:
            self._ended.append(node.id)

    def _ends(self, node: Node, event: Event) -> None:
        """State and output of a step or of the run; one that did not succeed has none."""
        node.detail = str(event.data.get("state", ""))
        succeeded = node.detail == "succeeded" and event.data.get("output_bytes") != NULL_BYTES
        if succeeded or OUTPUT in event.contents or OUTPUT in event.data:
            self._contents(node, event, OUTPUT)
        if OUTPUT in node.values:
            node.digests |= named(node.values[OUTPUT])

    def _came_out(self, source: str, output: Node) -> None:
        """What was there, or the part of it that the contract names, is the run's output or a part of it."""
        fields = self._output_fields(_path(source))
        self._hand(source, OUTPUT, fields)
        if OUTPUT in output.values:
            self._is(source, OUTPUT, OUTPUT, output.values[OUTPUT], fields or ())

    def _is(self, source: str, target: str, name: str, value: Any, fields: Fields) -> None:
        """Whether a value, which the contract calls so, is what was there before, or the part of it that it names."""
        before = self.graph.nodes.get(source)
        if before is None:
            return
        if fields and (pairs := same(before.values, {name: value}, fields)):
            self.graph.connect(Edge(source, target, Strength.OBSERVED, "the value that the orchestration names", pairs))
        if telling(value) and value in before.values.values():
            self._observed(source, target, "the same value")

    def _hand(self, source: str, target: str, fields: Fields | None) -> None:
        """What the contract names; where it is not on record, whatever had ended before."""
        if self._handing is None:
            self._possible(source, target, "it was there before")
        elif fields is not None:
            self.graph.connect(Edge(source, target, Strength.POSSIBLE, "the orchestration names it", fields))

    def _step_fields(self, step: str, source: str) -> Fields | None:
        return self._handing.to_step(step, source) if self._handing else None

    def _output_fields(self, source: str) -> Fields | None:
        return self._handing.to_output(source) if self._handing else None

    def _before(self, step: str) -> list[str]:
        return self._context.get(step, [])

    def _node(self, event: Event, node_id: str, kind: str, name: str, *contents: str) -> Node:
        members = event.members
        node = self.graph.add(
            Node(
                node_id,
                kind,
                name,
                event.sequence,
                str(members.get("time", "")),
                step=event.step,
                role=str(members.get("role", "")),
                principal=str(members.get("principal", "")),
                label=event.data.get("label") or members.get("label") or {},
            )
        )
        if contents:
            self._contents(node, event, *contents)
        return node

    def _contents(self, node: Node, event: Event, *names: str) -> None:
        """Values on record, and whether any is not: an erased one counts before a missing one."""
        states = set()
        for name in names:
            given, value = event.contents.get(name), event.data.get(_MEMBERS.get(name, name))
            if given is not None and given.data is None:
                states.add(State.ERASED if given.erased_by else State.MISSING)
            elif value is not None:
                states.add(State.GIVEN)
                node.values[name] = value
                if isinstance(value, str):
                    node.digests.add(digest_bytes(value.encode()))
        committed = event.members.get("contents") or {}
        node.keys |= {str(committed[name]["key"]) for name in names if name in committed}
        node.state = next((one for one in (State.ERASED, State.MISSING, State.GIVEN) if one in states), State.MISSING)

    def _possible(self, source: str, target: str, why: str) -> None:
        self.graph.connect(Edge(source, target, Strength.POSSIBLE, why))

    def _observed(self, source: str, target: str, why: str) -> None:
        self.graph.connect(Edge(source, target, Strength.OBSERVED, why))


def _of(node: Node, wanted: Callable[[str], bool]) -> Texts:
    return texts({name: value for name, value in node.values.items() if wanted(name)})


def _path(node_id: str) -> str:
    return node_id.partition(":")[2] or node_id


def _named(event: Event) -> tuple[str, str]:
    """Kind and id of the node of a decision: an action that was done, one that was refused, one that waits."""
    kind = {INTENT: "action", ESCALATED: "proposal"}.get(event.type, "refusal")
    return kind, f"{kind}:{_key(event)}"


def _key(event: Event) -> str:
    """The action's idempotency key, without the run's id that it begins with."""
    key = str(event.action.get("idempotencyKey") or event.id)
    return key.removeprefix(f"{event.members.get('runid', '')}/")


def said(label: Any) -> str:
    parts = [label.get("confidentiality"), label.get("integrity"), *(label.get("categories") or ())]
    return " ".join(str(part) for part in parts if part) or "no label"
