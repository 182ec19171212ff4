"""What is billed and recorded of a call, in the words of the page; waits until nothing of it goes on any more."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import orjson

from .calls import Call
from .platform import Budget, Platform, until
from .routes import BODY, INPUT_PRICE, OUTPUT_PRICE

NOTHING = "nothing"
# Bytes that count as one token where a provider reports none, and what a stream's request has more.
BYTES_PER_TOKEN, ADDED_BYTES = 4, 64
_TYPES = "dev.amas.model."


@dataclass(frozen=True, slots=True)
class Recorded:
    """The cells `Billed` and `Recorded`, and the data of all events in their order."""

    billed: str
    recorded: str
    data: list[dict[str, object]]
    # Input and output of the last row, which is the answer's where there is one.
    tokens: tuple[int, int]


async def records_of(platform: Platform, call: Call, *, used: int | None = None) -> Recorded:
    """Waits until the tenant holds nothing, then for the ledger to say what the budget says.

    An attempt's hold ends as settled or as given back, and settled tokens come into the ledger: so nothing can follow
    once both say the same. With `used`, the budget must say that, and the ledger is read as it is.
    """

    async def nothing_held() -> Budget | None:
        budget = await platform.budget(call)
        return budget if budget.reserved == 0 else None

    budget = await until("nothing is reserved", nothing_held)

    assert used in (None, budget.used)

    async def same() -> list[asyncpg.Record] | None:
        rows = await platform.ledger(call)
        tokens = sum(row["input_tokens"] + row["output_tokens"] for row in rows)
        if tokens != budget.used and used is None:
            return None
        for row in rows:
            price = row["input_tokens"] * INPUT_PRICE + row["output_tokens"] * OUTPUT_PRICE
            assert row["cost"] * 1_000_000 == price
        return rows

    rows = await until("the ledger says what the budget says", same)
    tokens = (rows[-1]["input_tokens"], rows[-1]["output_tokens"]) if rows else (0, 0)
    events = [event for event in platform.audit.events.values() if event.tenant == call.tenant]
    data = [orjson.loads(event.data_json) for event in events]
    assert all(len(event.trace_id) == 32 for event in events)
    words = [_event(event.type, fields) for event, fields in zip(events, data, strict=True)]
    billed = [_row(row) for row in rows]
    return Recorded(", ".join(billed) or NOTHING, ", ".join(words) or NOTHING, data, tokens)


def _row(row: asyncpg.Record) -> str:
    given, made = row["input_tokens"], row["output_tokens"]
    if not row["estimated"]:
        return f"`{row['outcome']}` {given} + {made}"
    # The request as it went out, which says a little more than the one that came in, and the text that came back.
    assert len(BODY) <= given * BYTES_PER_TOKEN <= len(BODY) + ADDED_BYTES
    assert made <= (1 if row["outcome"] in ("broken", "cancelled") else 0)
    return f"`{row['outcome']}` by size"


def _event(event_type: str, data: dict[str, object]) -> str:
    name = f"`{event_type.removeprefix(_TYPES)}`"
    more = data.get("reason") or data.get("outcome", "ok")
    return name if more == "ok" else f"{name} `{more}`"
