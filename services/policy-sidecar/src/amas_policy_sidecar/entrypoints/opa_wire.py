"""What OPA posts, read into our own words: its status and its decision log.

Of a decision only what is named here is taken, whatever else OPA's masking has let through.
Source: Open Policy Agent documentation, "Status" and "Decision Logs" (service API).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from amas_policy_sidecar.domain.engine_reports import EngineDecision, EngineStatus

# Bounds of audit's own contract, and of what a policy may answer.
_MAX_NAME = 255
_MAX_TENANT = 63
_MAX_CODES = 64
_DIGEST = re.compile(r"(sha256:[0-9a-f]{64})?")
# Plugins whose state says nothing about a decision: each bundle is waited for by name.
_SPOKEN_FOR = frozenset({"bundle", "discovery"})


def read_status(report: object) -> EngineStatus:
    """OPA's state; raises ValueError for anything else than a status report."""
    if not isinstance(report, Mapping) or not isinstance(report.get("labels"), Mapping):
        raise ValueError("not a status report")
    bundles, plugins = _mapping(report.get("bundles")), _mapping(report.get("plugins"))
    states = {str(name): str(_mapping(plugin).get("state", "")) for name, plugin in plugins.items()}
    return EngineStatus(
        instance=str(report["labels"].get("id", "")),
        active={
            str(name): revision
            for name, bundle in bundles.items()
            if isinstance(revision := _mapping(bundle).get("active_revision"), str)
        },
        failed={str(name): problem for name, bundle in bundles.items() if (problem := _problem(_mapping(bundle)))},
        list_problem=_problem(_mapping(report.get("discovery"))),
        faulty=tuple(sorted(name for name, state in states.items() if name not in _SPOKEN_FOR and state != "OK")),
    )


def read_decisions(events: object) -> tuple[list[EngineDecision], list[str]]:
    """Entries of a decision log, and the ids of those that cannot be read; ValueError if it is no list."""
    if not isinstance(events, Sequence) or isinstance(events, str):
        raise ValueError("not a list of decisions")
    entries: list[EngineDecision] = []
    unreadable: list[str] = []
    for event in events:
        try:
            entries.append(_decision(event))
        except (KeyError, TypeError, ValueError, AttributeError):
            unreadable.append(str(_mapping(event).get("decision_id", "")))
    return entries, unreadable


def _decision(event: Any) -> EngineDecision:
    asked, decided = event["input"], _mapping(event.get("result"))
    headers = _mapping(_mapping(_mapping(event.get("request_context")).get("http")).get("headers"))
    codes = decided.get("codes", [])
    if not isinstance(codes, list) or len(codes) > _MAX_CODES:
        raise ValueError("codes")
    return EngineDecision(
        id=_text(event["decision_id"], at_least=1, at_most=128),
        time=datetime.fromisoformat(event["timestamp"]),
        instance=_text(event["labels"]["id"]),
        revision=_revision(event),
        effect=_text(decided.get("effect", "")),
        codes=tuple(_text(code) for code in codes),
        failed="error" in event or not decided,
        tenant=_text(asked["principal"]["tenant"], at_least=1, at_most=_MAX_TENANT),
        subject=_text(asked["principal"]["subject"]),
        step=_text(asked["step"]),
        role=_text(asked["role"]["name"]),
        role_version=_text(asked["role"]["version"], at_most=63),
        bundle=_digest(_header(headers, "amas-bundle")),
        input_digest=_digest(_header(headers, "amas-input-digest")),
        traceparent=_text(_header(headers, "traceparent")),
    )


def _revision(event: Any) -> str:
    """Revision of the bundle whose policies were asked: its name begins with their package."""
    prefix = str(event["path"]).partition("/")[0]
    (revision,) = (bundle["revision"] for name, bundle in event["bundles"].items() if name.startswith(f"{prefix}-"))
    return _digest(revision)


def _problem(status: Mapping[str, Any]) -> str:
    """Code of what is wrong with a bundle. OPA's message stays out: it may quote a policy."""
    return str(status.get("code") or "")


def _header(headers: Mapping[str, Any], name: str) -> str:
    values = headers.get(name) or [""]
    return str(values[0])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object, *, at_least: int = 0, at_most: int = _MAX_NAME) -> str:
    if not isinstance(value, str) or not at_least <= len(value) <= at_most:
        raise ValueError("text")
    return value


def _digest(value: object) -> str:
    text = _text(value)
    if not _DIGEST.fullmatch(text):
        raise ValueError("digest")
    return text
