"""Judges a load by the audit log: every accepted run ended once, and each of its tool effects happened once.

The log is the platform's own record, but not the word of the pods under test: an entry needs its intent acknowledged
before the effect, and its sequence within the run has no gap.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

STARTED, ENDED = "dev.amas.run.started", "dev.amas.run.ended"
INTENT, OUTCOME = "dev.amas.action.intent", "dev.amas.action.outcome"
TAKEN_OVER = "dev.amas.run.taken_over"
Entry = Mapping[str, Any]


def lost_or_repeated(
    runs: Iterable[str], entries: Iterable[Entry], *, writes: int = 1, may_fail: bool = False
) -> list[str]:
    """What is wrong with the record of the runs, a sentence each; empty when each went right.

    A run that `may_fail` still ends once, and makes no effect twice; one that failed may have made none.

    `entries` are the log's answers for these runs (REST form); `writes` is how many calls other than reads each makes.
    """
    of_run: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        of_run[entry["event"]["runId"]].append(entry)
    return [problem for run in runs for problem in _problems(run, of_run[run], writes, may_fail)]


def _problems(run: str, entries: list[Entry], writes: int, may_fail: bool) -> list[str]:
    types = Counter(entry["event"]["type"] for entry in entries)
    found = [f"{run}: {types[one]} events {one}" for one in (STARTED, ENDED) if types[one] != 1]
    # A second witness, such as OPA's own log of a decision, has no place in the sequence.
    sequence = sorted(int(entry["runSequence"]) for entry in entries if int(entry["runSequence"]))
    if sequence != list(range(1, len(sequence) + 1)):
        found.append(f"{run}: its events are numbered {sequence}")
    ends = [_data(entry) for entry in entries if entry["event"]["type"] == ENDED]
    bad_ends = [end for end in ends if end["state"] != "succeeded"]
    if bad_ends and may_fail:
        writes = min(writes, len(_effects(entries, OUTCOME)))
    else:
        found += [f"{run}: ended as {end['state']}: {end.get('reason')}" for end in bad_ends]
    intents, outcomes = _effects(entries, INTENT), _effects(entries, OUTCOME)
    if len(outcomes) != writes:
        found.append(f"{run}: {len(outcomes)} effects, not {writes}: {sorted(outcomes)}")
    found += [f"{run}: effect {key} has {count} outcomes" for key, count in outcomes.items() if count != 1]
    found += [f"{run}: effect {key} has no outcome" for key in intents if key not in outcomes]
    found += [f"{run}: effect {key} has no intent" for key in outcomes if key not in intents]
    return found


def taken_over(entries: Iterable[Entry]) -> int:
    """How often another executor went on with one of the runs."""
    return sum(entry["event"]["type"] == TAKEN_OVER for entry in entries)


def _effects(entries: Iterable[Entry], wanted: str) -> Counter[str]:
    actions = [_data(entry)["action"] for entry in entries if entry["event"]["type"] == wanted]
    return Counter(action["idempotencyKey"] for action in actions if action["effect"] != "read")


def _data(entry: Entry) -> dict[str, Any]:
    return dict(json.loads(entry["event"]["dataJson"]))
