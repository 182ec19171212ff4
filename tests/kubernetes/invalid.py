"""Resources with one mistake each: the kind, what is changed, and the field that an answer must name."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from libs.governance.tests import manifests

_APPROVAL = {"from": ["release-managers"]}


@dataclass(frozen=True)
class Mistake:
    """A way to be wrong. `spec` replaces fields of a small valid manifest."""

    kind: str
    spec: dict[str, Any]
    field: str
    words: str = ""

    def __str__(self) -> str:
        """Names the case in a test's output."""
        return f"{self.kind}-{self.field}-{self.words[:24]}"

    def manifest(self) -> dict[str, Any]:
        """The manifest with the mistake."""
        base = valid(self.kind)
        base["spec"] = {**base["spec"], **self.spec}
        return base


def valid(kind: str) -> dict[str, Any]:
    """A small valid manifest."""
    made = {
        "AgentRole": manifests.role,
        "Orchestration": lambda: manifests.orchestration({"name": "only", "role": "writer"}),
        "ToolServer": manifests.server,
        "ModelProvider": manifests.provider,
        "ModelRoute": manifests.route,
        "Budget": lambda: _small("Budget", {"subject": {"tenant": "acme"}, "window": "day", "tokens": 5}),
        "Quota": lambda: _small("Quota", {"subject": {"tenant": "acme"}, "window": "day", "calls": 5}),
    }[kind]()
    return copy.deepcopy(made)


def _small(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": manifests.API, "kind": kind, "metadata": {"name": "small"}, "spec": spec}


def _tool(**grant: Any) -> dict[str, Any]:
    return {"tools": [{"name": "git/git_commit", **grant}]}


def _approval(**more: Any) -> dict[str, Any]:
    return _tool(approval={**_APPROVAL, **more})


def _target(**more: Any) -> dict[str, Any]:
    return {"provider": "local", "model": "scripted", **more}


def _price(day: str) -> dict[str, Any]:
    return {"from": day, "inputPerMillion": "1", "outputPerMillion": "2", "currency": "USD"}


_HTTP = {"http": {"url": "https://tools.example/mcp"}}
_STDIO = {"stdio": {"command": ["mcp-server-git"]}}
_ROLE, _FLOW, _SERVER, _ROUTE = "AgentRole", "Orchestration", "ToolServer", "ModelRoute"
_FIRST = "spec.tools[0]"

REFUSED_AT_ADMISSION = (
    Mistake(_ROLE, {"version": "1.2"}, "spec.version"),
    Mistake(_ROLE, {"version": 1.2}, "spec.version", "must be of type string"),
    Mistake(_ROLE, {"toolz": []}, "spec.toolz", "unknown field"),
    Mistake(_ROLE, {"purpose": ""}, "spec.purpose"),
    Mistake(_ROLE, {"purpose": "x" * 501}, "spec.purpose"),
    Mistake(_ROLE, {"model": {"route": "Default"}}, "spec.model.route"),
    Mistake(_ROLE, {"model": {}}, "spec.model.route", "Required"),
    Mistake(_ROLE, {"model": {"route": "a", "temperature": 3}}, "spec.model.temperature"),
    Mistake(_ROLE, {"onBound": "panic"}, "spec.onBound", "supported values"),
    Mistake(_ROLE, {"bounds": {"steps": "3"}}, "spec.bounds.steps"),
    Mistake(_ROLE, {"bounds": {"steps": 0}}, "spec.bounds.steps"),
    Mistake(_ROLE, {"bounds": {"wallClock": "10"}}, "spec.bounds.wallClock"),
    Mistake(_ROLE, {"bounds": {"wallClock": "0s"}}, "spec.bounds.wallClock"),
    Mistake(_ROLE, {"bounds": {"bytesIn": "64KB"}}, "spec.bounds.bytesIn"),
    Mistake(_ROLE, {"bounds": {"cost": {"amount": 0.25, "currency": "USD"}}}, "spec.bounds.cost.amount"),
    Mistake(_ROLE, {"bounds": {"cost": {"amount": "1", "currency": "usd"}}}, "spec.bounds.cost.currency"),
    Mistake(_ROLE, {"data": {"clearance": "secret"}}, "spec.data.clearance"),
    Mistake(_ROLE, {"data": {"categories": ["pii", "pii"]}}, "spec.data.categories[1]", "Duplicate"),
    Mistake(_ROLE, {"data": {"dlp": {"detectors": {"nose": "deny"}}}}, "spec.data.dlp.detectors", "no such detector"),
    Mistake(_ROLE, {"input": {"schema": {"type": "string"}}}, "spec.input.schema.type"),
    Mistake(_ROLE, {"input": {"schema": {}}}, "spec.input.schema.type"),
    Mistake(_ROLE, _tool(name="git_commit"), f"{_FIRST}.name"),
    Mistake(_ROLE, {"tools": [{"name": "a/b"}, {"name": "a/b"}]}, "spec.tools", "appears twice"),
    Mistake(_ROLE, _tool(untrusted="sometimes"), f"{_FIRST}.untrusted"),
    Mistake(_ROLE, _tool(arguments={"type": "string"}), f"{_FIRST}.arguments.type"),
    Mistake(_ROLE, _tool(arguments={"$ref": "#/x"}), f"{_FIRST}.arguments"),
    Mistake(_ROLE, _tool(amounts=[{"argument": "sum"}]), f"{_FIRST}.amounts[0]", "escalateAbove"),
    Mistake(
        _ROLE,
        _tool(amounts=[{"argument": "sum", "escalateAbove": 5, "denyAbove": 2}]),
        f"{_FIRST}.amounts[0].escalateAbove",
        "higher than",
    ),
    Mistake(_ROLE, _tool(approval={"from": []}), f"{_FIRST}.approval.from"),
    Mistake(_ROLE, _approval(remindAfter="61m"), f"{_FIRST}.approval.remindAfter", "before expiresIn"),
    Mistake(_ROLE, _approval(remindAfter="2d", expiresIn="47h"), f"{_FIRST}.approval.remindAfter"),
    Mistake(
        _ROLE,
        _approval(escalate=[{"after": "20m", "to": ["a"]}, {"after": "10m", "to": ["b"]}]),
        f"{_FIRST}.approval.escalate",
        "in order",
    ),
    Mistake(_ROLE, _approval(escalate=[{"after": "2h", "to": ["a"]}]), f"{_FIRST}.approval.escalate", "expiresIn"),
    Mistake(_ROLE, {"delegates": ["a", "a"]}, "spec.delegates", "twice"),
    Mistake(_ROLE, {"autonomy": {"objective": "101%"}}, "spec.autonomy.objective"),
    Mistake(_ROLE, {"autonomy": {"objective": "99%", "window": "31d"}}, "spec.autonomy.window", "30 days"),
    Mistake(_ROLE, {"deprecated": {"since": "soon", "message": "x"}}, "spec.deprecated.since"),
    Mistake(
        _ROLE,
        {"deprecated": {"since": "2026-02-01", "removal": "2026-01-01", "message": "x"}},
        "spec.deprecated.removal",
        "before the day",
    ),
    Mistake(_FLOW, {"steps": []}, "spec.steps"),
    Mistake(_FLOW, {"steps": [{"name": "Only", "role": "writer"}]}, "spec.steps[0].name"),
    Mistake(_FLOW, {"steps": [{"name": "a", "role": "x"}, {"name": "a", "role": "y"}]}, "spec.steps", "same name"),
    Mistake(_FLOW, {"steps": [{"name": "a", "role": "x", "maxParallel": 65}]}, "spec.steps[0].maxParallel"),
    Mistake(
        _FLOW,
        {"steps": [{"name": "a", "role": "x", "declassify": {"to": {}, "reason": "r", "approval": _APPROVAL}}]},
        "spec.steps[0].declassify.to",
        "at least one",
    ),
    Mistake(_FLOW, {"answers": {"pii": "hold"}}, "spec.answers", "declassify"),
    Mistake(_FLOW, {"answers": {"detectors": {"email": "hold"}}}, "spec.answers", "declassify"),
    Mistake(_SERVER, {"transport": {}}, "spec.transport", "exactly one"),
    Mistake(_SERVER, {"transport": {**_HTTP, **_STDIO}}, "spec.transport", "exactly one"),
    Mistake(_SERVER, {"transport": {"http": {"url": "https://user:pw@tools.example"}}}, "spec.transport.http.url"),
    Mistake(
        _SERVER,
        {"transport": {"http": {"url": "https://tools.example", "egress": {"networks": ["10.0.0.1/8"]}}}},
        "spec.transport.http.egress.networks",
        "host bits",
    ),
    Mistake(
        _SERVER,
        {"transport": {"http": {"url": "https://tools.example", "egress": {"networks": ["10.0.0.0/8"] * 2}}}},
        "spec.transport.http.egress.networks",
        "twice",
    ),
    Mistake(
        _SERVER,
        {"transport": {"stdio": {"command": ["a"], "sandbox": {"readable": ["../etc"]}}}},
        "spec.transport.stdio.sandbox.readable[0]",
    ),
    Mistake(
        _SERVER,
        {"transport": {"stdio": {"command": ["a"], "sandbox": {"memory": "1Mi"}}}},
        "spec.transport.stdio.sandbox.memory",
        "at least 16Mi",
    ),
    Mistake(_SERVER, {"credentials": [{"file": "a", "env": "A", "header": "A"}]}, "spec.credentials[0].env"),
    Mistake(_SERVER, {"credentials": [{"file": "../a"}]}, "spec.credentials[0].file"),
    Mistake(_SERVER, {"tools": {}}, "spec.tools"),
    Mistake(_SERVER, {"tools": {"a b": {"effect": "read"}}}, "spec.tools", "expected names"),
    Mistake(_SERVER, {"tools": {"a": {"effect": "maybe"}}}, "spec.tools.a.effect"),
    Mistake(_SERVER, {"tools": {"a": {"effect": "read", "sensitive": ["to", "to"]}}}, "spec.tools[a].sensitive[1]"),
    Mistake(_SERVER, {"pin": "sha256:12"}, "spec.pin"),
    Mistake(_SERVER, {"accepted": []}, "spec.pin", "amas tools accept"),
    Mistake(_SERVER, {"limits": {"rate": "fast"}}, "spec.limits.rate"),
    Mistake("ModelProvider", {"api": "bedrock"}, "spec.region", "bedrock needs a region"),
    Mistake("ModelProvider", {"baseUrl": "ftp://example"}, "spec.baseUrl"),
    Mistake("ModelProvider", {"models": {}}, "spec.models"),
    Mistake("ModelProvider", {"models": {"a b": {}}}, "spec.models", "expected names"),
    Mistake(
        "ModelProvider",
        {"models": {"m": {"prices": [_price("2026-06-01"), _price("2026-01-01")]}}},
        "spec.models[m].prices",
        "in the order",
    ),
    Mistake(
        "ModelProvider",
        {"models": {"m": {"prices": [_price("2026-06-01"), _price("2026-06-01")]}}},
        "spec.models[m].prices",
    ),
    Mistake(_ROUTE, {"targets": []}, "spec.targets"),
    Mistake(_ROUTE, {"targets": [_target(), _target()]}, "spec.targets", "appears twice"),
    Mistake(_ROUTE, {"targets": [_target(weight=0)]}, "spec.targets[0].weight"),
    Mistake(_ROUTE, {"targets": [_target(timeout={"firstToken": "61s"})]}, "spec.targets[0].timeout", "longer than"),
    Mistake(_ROUTE, {"hedge": {"after": "p0"}}, "spec.hedge.after"),
    Mistake(_ROUTE, {"retry": {"budget": 0.1}}, "spec.retry.budget"),
    Mistake(_ROUTE, {"response": {"redact": ["phi"]}}, "spec.response.redact", "no detector finds phi"),
    Mistake("Budget", {"subject": {}}, "spec.subject", "at least one"),
    Mistake("Budget", {"tokens": 0}, "spec.tokens"),
    Mistake("Budget", {"cost": {"amount": "50000001", "currency": "USD"}}, "spec.cost", "at most"),
    Mistake("Budget", {"window": "year"}, "spec.window"),
    Mistake("Quota", {"subject": {}}, "spec.subject", "at least one"),
    Mistake("Quota", {"subject": {"server": "git", "tool": "git/git_log"}}, "spec.subject.server", "one of"),
    Mistake("Quota", {"bytesIn": 1}, "spec.bytesIn", "4Ki"),
    Mistake("Quota", {"bytesIn": "2Ki"}, "spec.bytesIn", "4Ki"),
    Mistake("Quota", {"bytesOut": "1025Gi"}, "spec.bytesOut", "1024Gi"),
    Mistake("Quota", {"wallClock": "367d"}, "spec.wallClock", "366d"),
    Mistake("Quota", {"concurrency": 4097}, "spec.concurrency"),
)
"""What the API server refuses by itself."""

FOUND_BY_THE_MODELS_ALONE = (
    Mistake(_ROLE, {"output": {"schema": {"type": "object", "required": "a"}}}, "spec.output.schema.required"),
    Mistake(
        _ROLE, _tool(arguments={"properties": {"p": {"maxlength": 3}}}), f"{_FIRST}.arguments.properties.p.maxlength"
    ),
    Mistake(_ROLE, _approval(escalate=[{"after": "5m", "to": ["release-managers"]}]), f"{_FIRST}.approval"),
    Mistake(_ROLE, {"data": {"extraction": "constrained"}}, "spec.output.schema"),
    Mistake(_SERVER, {"accepted": [], "pin": "sha256:" + "0" * 64}, "spec"),
    Mistake(_ROUTE, {"response": {"stop": ["("]}}, "spec.response.stop[0]"),
)
"""What no definition can say (or CEL only above its cost limits): such a resource is stored, and is not Ready."""
