"""How findings, explanations and replays of policies look on a terminal."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .printable import printable, shortened

if TYPE_CHECKING:
    from amas_cli.policy.explaining import Explained
    from amas_cli.policy.findings import Finding
    from amas_cli.policy.replaying import Replayed

VALUE_LIMIT = 160
MAX_NOT_REPLAYED = 20
"""Events named one by one on a terminal; `--output json` names all."""
Styled = tuple[str, str]
_STYLES = {"allow": "good", "deny": "bad", "escalate": "wait"}


def findings(items: "Sequence[Finding]") -> tuple[list[str], list[list[str]]]:
    """Headers and cells of what is wrong."""
    return ["CHECK", "PLACE", "MESSAGE"], [
        [item.check, printable(item.place), printable(item.message)] for item in items
    ]


def explanation(explained: "Explained") -> Iterator[Styled]:
    """The decision, its reasons, the rule of each, and what the rule read."""
    decision = explained.decision
    yield printable(str(decision["effect"])), _STYLES.get(str(decision["effect"]), "")
    if decision.get("approval"):
        yield f"  approval: {shortened(json.dumps(decision['approval']), VALUE_LIMIT)}", ""
    if decision.get("obligations"):
        yield f"  obligations: {printable(', '.join(decision['obligations']))}", ""
    for reason, origins in explained.origins:
        yield "", ""
        yield f"{printable(str(reason['code']))}: {printable(str(reason['message']))}", "strong"
        for origin in origins:
            yield f"  {printable(origin.file)}:{origin.row} {printable(origin.rule)}", ""
            for path, has, value in origin.read:
                shown = shortened(json.dumps(value, ensure_ascii=False), VALUE_LIMIT) if has else "(not there)"
                yield f"    input.{printable('.'.join(path))} = {shown}", "dim"


def replayed(result: "Replayed", failures: Sequence[str]) -> Iterator[Styled]:
    """The numbers, each kind of change, each run, and all that could not be replayed."""
    content, runs = result.to_dict(), result.runs()
    total, changed, missed = content["decisions"], len(result.changed), len(result.unusable)
    yield f"decisions: {total} recorded, {content['same']} the same, {changed} changed, {missed} not replayed", ""
    for (subject, before, after), number in sorted(result.transitions().items()):
        yield f"  {number} of {printable(subject)}: {printable(before)} → {printable(after)}", "wait"
    yield (
        (
            f"runs: {content['stalledRuns']} would have stalled; approvals: {content['newApprovals']} more, "
            f"{content['approvalsNoLongerNeeded']} no longer asked for"
        ),
        "",
    )
    for run in runs:
        state = "would have stalled, " if run.stalled else ""
        yield (
            (
                f"  {printable(run.run)}: {state}{run.changed} decisions changed, {run.new_approvals} more approvals, "
                f"{run.approvals_saved} no longer asked for"
            ),
            "",
        )
    yield from _not_replayed(result)
    if changed:
        yield "an input recorded before it had a field was put to the candidate without that field", "dim"
    for failure in failures:
        yield f"failed: {failure}", "bad"


def _not_replayed(result: "Replayed") -> Iterator[Styled]:
    for why, number in sorted(Counter(item.unusable for item in result.unusable).items()):
        yield f"not replayed: {number}: {why}", "wait"
        named = [item for item in result.unusable if item.unusable == why]
        for item in named[:MAX_NOT_REPLAYED]:
            yield f"  {printable(item.event)} {printable(item.subject)}", "dim"
        if len(named) > MAX_NOT_REPLAYED:
            yield f"  and {len(named) - MAX_NOT_REPLAYED} more: see --output json", "dim"
