"""Each fault of a provider, as docs/model-faults.md tells it: through a real router, alone and with another target."""

from __future__ import annotations

import pytest

from .calls import Seen
from .faults_page import OF_A_PROVIDER, Row, rows
from .platform import Platform
from .provider_scripts import INPUT, OUTPUT
from .records import NOTHING, Recorded, records_of
from .routes import ELSEWHERE, route_of, slug

# The first test starts the whole platform, and several start processes, on a machine that may be busy.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="package")]

ROWS = rows(OF_A_PROVIDER)
NEVER = "never asked"
ANSWERED = f"`ok` {INPUT} + {OUTPUT}"


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_fault_of_the_only_target(platform: Platform, row: Row) -> None:
    """The client gets the error (or the break) of the page, what may have cost is billed, and it is on record once."""
    call = platform.call(route_of(row.fault, second=False), stream=row.stream)
    seen = await platform.make(call)
    recorded = await records_of(platform, call)
    assert (seen.sees, recorded.billed, recorded.recorded) == (row.sees, row.billed, row.recorded)
    # A client's library must not ask again by itself once a provider was asked.
    assert seen.pushback == ("-1" if seen.report is None else "")
    assert_told_as_billed(seen, recorded)


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_fault_with_another_target_behind_it(platform: Platform, row: Row) -> None:
    """The client gets the other's answer, and both attempts are billed; after its first token a stream just breaks."""
    call = platform.call(route_of(row.fault, second=True), stream=row.stream)
    seen = await platform.make(call)
    recorded = await records_of(platform, call)
    if row.instead == NEVER:
        assert (seen.sees, recorded.billed, recorded.recorded) == (row.sees, row.billed, row.recorded)
        return
    name = f"{slug(row.fault)}/m" if row.fault in ELSEWHERE else f"faulty/{slug(row.fault)}"
    failovers = [f"{name}: {row.instead.strip('`')}"]
    billed = ANSWERED if row.billed == NOTHING else f"{row.billed}, {ANSWERED}"
    assert (seen.sees, recorded.billed) == ("its answer", billed)
    assert recorded.recorded == ("`stream_started`, `called`" if row.stream else "`called`")
    assert seen.report is not None
    assert list(seen.report.failovers) == recorded.data[-1]["failovers"] == failovers
    assert_told_as_billed(seen, recorded)


def assert_told_as_billed(seen: Seen, recorded: Recorded) -> None:
    """What the client is told that it used is what the ledger has for the answer."""
    if seen.report is not None:
        usage = seen.report.usage
        assert (usage.input_tokens, usage.output_tokens) == recorded.tokens
        assert usage.estimated == recorded.billed.endswith("by size")
