"""What every back end of `ports.LogReader` must keep; run against the one in memory and the one on Postgres."""

from __future__ import annotations

from typing import Any, Protocol

from amas_audit.domain.facets import nanoseconds
from amas_audit.domain.merkle import leaf_hash, root_from_inclusion
from amas_audit.domain.model import EventFilter
from amas_audit.ports import Log, LogReader
from amas_audit.usecases.prove_inclusion import prove_inclusion

from .logs import event, submission

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Backend(Protocol):
    """One log from both sides."""

    @property
    def log(self) -> Log: ...

    @property
    def reader(self) -> LogReader: ...


async def _fill(backend: Backend) -> None:
    await backend.log.append(
        submission(
            event(0, run_id="run-1"),
            event(1, run_id="run-2", trace_id=TRACE),
            event(2, tenant="other", run_id="run-1"),
            event(3, run_id="run-1", principal="release-manager"),
            event(4, run_id="", type="dev.amas.access.denied"),
            event(5, run_id="run-1", data=b'{"text":"' + b"x" * 5000 + b'"}'),
        )
    )


async def _ids(backend: Backend, wanted: EventFilter, **bounds: int) -> list[str]:
    values = {"start": 0, "end": None, "limit": 100, "max_bytes": 1 << 20} | bounds
    page = await backend.reader.entries(wanted, **values)  # type: ignore[arg-type]
    return [entry.event.id for entry in page.entries]


async def filters_hold(backend: Backend) -> None:
    """Each filter narrows, all at once narrow together, and the tenant always does (I8)."""
    await _fill(backend)
    acme = {"tenant": "acme"}
    assert await _ids(backend, EventFilter(**acme)) == ["event-0", "event-1", "event-3", "event-4", "event-5"]
    assert await _ids(backend, EventFilter(**acme, run_id="run-1")) == ["event-0", "event-3", "event-5"]
    assert await _ids(backend, EventFilter(**acme, trace_id=TRACE)) == ["event-1"]
    assert await _ids(backend, EventFilter(**acme, principal="release-manager")) == ["event-3"]
    assert await _ids(backend, EventFilter(**acme, type="dev.amas.access.denied")) == ["event-4"]
    assert await _ids(backend, EventFilter(**acme, ids=("event-2", "event-3", "event-9"))) == ["event-3"]
    assert await _ids(backend, EventFilter(**acme, run_id="run-2", principal="release-manager")) == []
    assert await _ids(backend, EventFilter(tenant="other")) == ["event-2"]
    assert await _ids(backend, EventFilter(tenant="nobody", run_id="run-1")) == []


async def every_filter_holds(backend: Backend) -> None:
    """Each filter finds exactly what it names, in full blocks and beyond, alone and with others, both ways round."""
    marked = {
        3: {"role": "release-manager"},
        100: {"data": b'{"action":{"tool":"git/git_commit"},"decision":{"effect":"deny"}}'},
        255: {"data": b'{"label":{"categories":["pii"],"confidentiality":"confidential","integrity":"untrusted"}}'},
        256: {"role": "release-manager", "data": b'{"decision":{"effect":"deny"},"tool":"git/git_commit"}'},
        300: {"data": b'{"label":{"categories":["pci","pii"],"confidentiality":"restricted","integrity":"trusted"}}'},
        511: {"time": "2026-11-23T12:00:00.000000001Z", "role": "release-manager"},
        520: {"time": "2026-11-23T11:59:59.999999999Z", "role": "release-manager", "data": b'{"tool":"\\u0000"}'},
        530: {"data": b'{"decision":{"effect":"escalate"},"label":{"confidentiality":"internal"}}'},
    }
    for start in (0, 250, 500):
        events = (event(n, **marked.get(n, {})) for n in range(start, min(start + 250, 540)))
        await backend.log.append(submission(*events, source="orchestrator" if start == 250 else "policy-sidecar"))
    await backend.log.append(submission(event("other", tenant="other", **marked[256])))
    at = nanoseconds
    cases: tuple[tuple[dict[str, Any], list[int]], ...] = (
        ({"role": "release-manager"}, [3, 256, 511, 520]),
        ({"role": "release-manage"}, []),
        ({"tool": "git/git_commit"}, [100, 256]),
        ({"decision": "deny"}, [100, 256]),
        ({"decision": "escalate"}, [530]),
        ({"tool": "git/git_commit", "role": "release-manager"}, [256]),
        ({"confidentiality": 1}, [255, 300, 530]),
        ({"confidentiality": 3}, [255, 300]),
        ({"confidentiality": 4}, [300]),
        ({"categories": ("pii",)}, [255, 300]),
        ({"categories": ("pii", "pci")}, [300]),
        ({"integrity": "untrusted"}, [255]),
        ({"source": "orchestrator", "role": "release-manager"}, [256]),
        ({"source": "policy-sidecar", "role": "release-manager"}, [3, 511, 520]),
        ({"tool": "\0"}, [520]),
        ({"since": at("2026-11-23T11:00:00Z")}, [511, 520]),
        ({"since": at("2026-11-23T12:00:00.000000001Z")}, [511]),
        ({"since": at("2026-11-23T12:00:00.000000002Z")}, []),
        ({"until": at("2026-11-23T12:00:00Z"), "role": "release-manager"}, [3, 256, 520]),
        ({"since": at("2026-11-23T10:00:00.5Z"), "until": at("2026-11-23T12:00:00Z")}, [520]),
        ({"ids": ("event-3", "event-100", "event-520"), "role": "release-manager"}, [3, 520]),
    )
    for fields, expected in cases:
        ids = [f"event-{number}" for number in expected]
        assert await _ids(backend, EventFilter("acme", **fields)) == ids, fields
        assert await _ids(backend, EventFilter("acme", newest_first=True, **fields)) == ids[::-1], fields
    assert await _ids(backend, EventFilter("other", tool="git/git_commit")) == ["event-other"]


async def pages_join(backend: Backend) -> None:
    """Pages over blocks and beyond them join without gap or overlap, whichever way they go."""
    for start in range(0, 600, 200):
        events = (event(n, role="odd" if n % 2 else "even") for n in range(start, start + 200))
        await backend.log.append(submission(*events))
    for newest_first in (False, True):
        wanted = EventFilter("acme", role="even", newest_first=newest_first)
        seen: list[int] = []
        start, end, more = 0, 600, True
        while more:
            page = await backend.reader.entries(wanted, start=start, end=end, limit=70, max_bytes=1 << 20)
            seen += [entry.index for entry in page.entries]
            start, end = (start, seen[-1]) if newest_first else (seen[-1] + 1, end)
            more = page.more
        assert seen == sorted(range(0, 600, 2), reverse=newest_first)


async def bounds_hold(backend: Backend) -> None:
    """A page ends at its bounds, says whether more follows, and always has something if there is something."""
    await _fill(backend)
    wanted = EventFilter(tenant="acme", run_id="run-1")
    assert await _ids(backend, wanted, start=1, end=5) == ["event-3"]
    page = await backend.reader.entries(wanted, start=0, end=None, limit=2, max_bytes=1 << 20)
    assert [entry.event.id for entry in page.entries] == ["event-0", "event-3"]
    assert page.more
    page = await backend.reader.entries(wanted, start=4, end=None, limit=2, max_bytes=1)
    assert [entry.event.id for entry in page.entries] == ["event-5"]
    assert not page.more
    page = await backend.reader.entries(wanted, start=0, end=None, limit=3, max_bytes=1)
    assert [entry.event.id for entry in page.entries] == ["event-0"]
    assert page.more
    page = await backend.reader.entries(wanted, start=6, end=None, limit=3, max_bytes=1)
    assert (page.entries, page.more) == ((), False)


async def entries_are_the_tenants_own(backend: Backend) -> None:
    """I8: whether an entry is there is told to its tenant alone."""
    await _fill(backend)
    assert await backend.reader.holds("acme", 1)
    assert not await backend.reader.holds("acme", 2)
    assert await backend.reader.holds("other", 2)
    assert not await backend.reader.holds("acme", 6)


async def proofs_hold(backend: Backend) -> None:
    """I9: every entry of every tenant is proven by the head, over more than one tile and at each older head."""
    for start in range(0, 600, 120):
        await backend.log.append(submission(*(event(n) for n in range(start, start + 120))))
    for size in (240, 600):
        head = await backend.reader.head(size)
        assert head is not None
        page = await backend.reader.entries(
            EventFilter(tenant="acme"), start=0, end=size, limit=1000, max_bytes=1 << 30
        )
        proofs = await prove_inclusion(backend.reader, [entry.index for entry in page.entries], head)
        assert len(proofs) == size
        for entry, proof in zip(page.entries, proofs, strict=True):
            assert root_from_inclusion(leaf_hash(entry.leaf), entry.index, size, proof.hashes) == head.root
    assert await backend.reader.head(241) is None
    newest = await backend.reader.head()
    assert newest is not None
    assert newest.size == 600


CASES = (filters_hold, every_filter_holds, pages_join, bounds_hold, entries_are_the_tenants_own, proofs_hold)
