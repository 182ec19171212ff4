"""Pages of the runs that hold a person's data, on a fake."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from amas_audit.domain.subjects import SubjectKeyUse, SubjectRun
from amas_audit.usecases.find_subject import FindSubject
from amas_chassis.errors import AmasError

RUNS = [SubjectRun(name, 1, 1, 0, 0) for name in ("", "run-1", "run-2")]


class Reader:
    """Three runs of everybody."""

    async def keys(self, tenant: str, subject: str, limit: int) -> Sequence[SubjectKeyUse]:
        return [SubjectKeyUse("k1", "standard", 3)]

    async def runs(self, tenant: str, subject: str, *, after: str | None, limit: int) -> Sequence[SubjectRun]:
        return [run for run in RUNS if after is None or run.run_id > after][:limit]


async def test_pages_join_without_gap_or_overlap() -> None:
    """Also after the first one, which is outside of any run."""
    find = FindSubject(Reader())
    seen, token = [], ""
    while True:
        runs, token, keys = await find("acme", "alice", page_size=1, page_token=token)
        assert (len(runs), len(keys)) == (1, 1)
        seen += runs
        if not token:
            break
    assert seen == RUNS


async def test_a_token_belongs_to_its_subject() -> None:
    """I8: nor does another tenant's take anybody anywhere."""
    find = FindSubject(Reader())
    _, token, _ = await find("acme", "alice", page_size=1)
    for tenant, subject in (("acme", "bob"), ("other", "alice")):
        with pytest.raises(AmasError) as caught:
            await find(tenant, subject, page_token=token)
        assert caught.value.reason == "PAGE_TOKEN_INVALID"
