"""What entries can be asked for, and an index of it that costs an append little: one bitmap a facet and block.

A facet is a text such as `tool=git/git_log`. A block is the 256 entries under one tile of the lowest level (and in one
C2SP entry bundle), so that each block is indexed once, when its tile fills, and never again. The index follows from the
leaves alone; an entry that it leads to is still held against the question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from amas_governance.labels import CATEGORIES, Confidentiality, Integrity

from amas_audit.domain.model import Described, Event, EventFilter
from amas_audit.domain.tiles import TILE_WIDTH

BLOCK = TILE_WIDTH
# The facet that every entry of a tenant has.
EVERY = ""
# UTF-8 bytes of a value in the index: a B-tree takes no key beyond 2,704. Longer ones stand there by their digest.
MAX_VALUE_BYTES = 256
NANOSECONDS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Without one of these there is nothing of interest in the data, and it need not be parsed.
_MARKS = (b'"tool"', b'"effect"', b'"confidentiality"', b'"integrity"')


@dataclass(frozen=True, slots=True)
class FacetRow:
    """Which entries of a block have a facet: the first entry is the highest of 256 bits.

    `earliest` and `latest` are of these entries, in whole microseconds since 1970, rounded down.
    """

    tenant: str
    facet: str
    block: int
    bits: int
    earliest: int
    latest: int


def describe(event: Event, source: str) -> Described:
    """All that an entry can be found by."""
    facets = [EVERY, _facet("source", source), _facet("type", event.type)]
    for name, value in (
        ("run", event.run_id),
        ("trace", event.trace_id),
        ("principal", event.principal),
        ("role", event.role),
    ):
        if value:
            facets.append(_facet(name, value))
    data = json.loads(event.data) if any(mark in event.data for mark in _MARKS) else {}
    facets += _data_facets(data)
    facets += label_facets(asdict(event.label) if event.label else _object(data, "label"))
    return Described(event.tenant, tuple(facets), nanoseconds(event.time))


def wanted_facets(wanted: EventFilter) -> tuple[str, ...]:
    """Facets that an entry must have, all of them, to answer a question."""
    asked = (
        ("run", wanted.run_id),
        ("trace", wanted.trace_id),
        ("principal", wanted.principal),
        ("role", wanted.role),
        ("type", wanted.type),
        ("source", wanted.source),
        ("tool", wanted.tool),
        ("decision", wanted.decision),
        ("integrity", wanted.integrity),
        # At least so confidential: an entry has the facets of all lower levels too.
        ("confidentiality", str(wanted.confidentiality) if wanted.confidentiality else ""),
        *(("category", category) for category in wanted.categories),
    )
    return tuple(_facet(name, value) for name, value in asked if value) or (EVERY,)


def answers(wanted: EventFilter, described: Described, event_id: str) -> bool:
    """Whether an entry answers a question."""
    return (
        described.tenant == wanted.tenant
        and (not wanted.ids or event_id in wanted.ids)
        and set(wanted_facets(wanted)) <= set(described.facets)
        and (wanted.since is None or described.time >= wanted.since)
        and (wanted.until is None or described.time < wanted.until)
    )


def index_blocks(
    size: int, edge: Sequence[Described], added: Iterable[Described]
) -> tuple[list[FacetRow], tuple[Described, ...]]:
    """Rows of the blocks that `added` fills in a log of `size` entries, and what is beyond the last full block then.

    `edge` has the entries beyond the last full block before.
    """
    waiting = [*edge, *added]
    block = size // BLOCK
    rows: list[FacetRow] = []
    while len(waiting) >= BLOCK:
        rows += _block_rows(block, waiting[:BLOCK])
        del waiting[:BLOCK]
        block += 1
    return rows, tuple(waiting)


def positions(block: int, bits: int) -> list[int]:
    """Indexes of the entries that a bitmap of a block names, rising."""
    return [block * BLOCK + place for place in range(BLOCK) if bits >> (BLOCK - 1 - place) & 1]


def nanoseconds(time: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC that ends with Z."""
    whole, _, fraction = time[:-1].partition(".")
    return _seconds(whole) * NANOSECONDS + int(fraction.ljust(9, "0"))


@lru_cache(maxsize=256)
def _seconds(whole: str) -> int:
    """Whole seconds since 1970; events of one moment come together."""
    passed = datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH
    return passed.days * 86_400 + passed.seconds


def _block_rows(block: int, entries: Sequence[Described]) -> list[FacetRow]:
    found: dict[tuple[str, str], list[int]] = {}
    for place, entry in enumerate(entries):
        bit, time = 1 << (BLOCK - 1 - place), entry.time // 1000
        for facet in entry.facets:
            row = found.get((entry.tenant, facet))
            if row is None:
                found[entry.tenant, facet] = [bit, time, time]
            else:
                row[0] |= bit
                row[1] = min(row[1], time)
                row[2] = max(row[2], time)
    return [FacetRow(tenant, facet, block, *row) for (tenant, facet), row in found.items()]


def _data_facets(data: dict[str, Any]) -> list[str]:
    """Tool and decision, where docs/audit-events.md puts them."""
    action, decision = _object(data, "action"), _object(data, "decision")
    facets = []
    if tool := _text(action, "tool") or _text(data, "tool"):
        facets.append(_facet("tool", tool))
    if effect := _text(decision, "effect") or _text(data, "effect"):
        facets.append(_facet("decision", effect))
    return facets


def label_facets(label: dict[str, Any]) -> list[str]:
    """Facets of a label in its JSON form; what is no label has none."""
    facets: list[str] = []
    facets += _LEVELS.get(_text(label, "confidentiality"), ())
    categories = label.get("categories")
    if isinstance(categories, list | tuple):
        facets += [_facet("category", name) for name in sorted(CATEGORIES.intersection(map(str, categories)))]
    if (integrity := _text(label, "integrity")) in _INTEGRITIES:
        facets.append(_facet("integrity", integrity))
    return facets


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=4096)
def _facet(name: str, value: str) -> str:
    """The facet of a value. Postgres keeps no NUL, which a tool's name in the data may hold."""
    content = value.encode("utf-8", "surrogatepass")
    if len(content) > MAX_VALUE_BYTES or b"\0" in content:
        value = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return f"{name}={value}"


# The facets of each level: its own and those of all below it.
_LEVELS = {
    level.label: tuple(_facet("confidentiality", str(below)) for below in range(1, level + 1))
    for level in Confidentiality
}
_INTEGRITIES = frozenset(map(str, Integrity))
