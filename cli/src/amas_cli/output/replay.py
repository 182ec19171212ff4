"""How a replay of a run, and the state of a run at a point, look on a terminal."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .printable import printable, shortened

if TYPE_CHECKING:
    from amas_cli.replay.outcomes import Difference
    from amas_cli.replay.replaying import Replay

MAX_DIFFERENCES = 10
MAX_DIFF_LINES = 40
TEXT_LIMIT = 160
Styled = tuple[str, str]


def replayed(result: "Replay") -> Iterator[Styled]:
    """The numbers, what could not be derived, where the record ends, each difference, and the verdict."""
    content = result.to_dict()
    decisions, events = content["decisions"], content["events"]
    yield f"run {printable(content['run'])} under {printable(content['bundle'])}", "strong"
    yield (
        (
            f"decisions: {decisions['recorded']} recorded, {decisions['same']} derived again byte for byte, "
            f"{decisions['differ']} differ, {len(decisions['notDerived'])} not derivable; "
            f"{decisions['aboutModels']} about models derived anew"
        ),
        "",
    )
    for item in decisions["notDerived"]:
        yield f"  not derived: {printable(item['subject'])} ({printable(item['event'])}): {item['why']}", "wait"
    yield (
        (
            f"events: {events['recorded']} of the run itself recorded, {events['same']} written again byte for byte, "
            f"from {content['modelCalls']} model calls and {content['toolCalls']} of tools and delegates on record"
        ),
        "",
    )
    for end in content["ends"]:
        yield f"the record ends in {printable(end['where'])}: {printable(end['why'])}", "wait"
    for difference in result.differences[:MAX_DIFFERENCES]:
        yield from _difference(difference)
    if len(result.differences) > MAX_DIFFERENCES:
        yield f"and {len(result.differences) - MAX_DIFFERENCES} more differences: `--output json` has them all", "bad"
    yield _verdict(result)


def state(found: Mapping[str, Any]) -> Iterator[Styled]:
    """What each step had said, spent and learnt, and what people were asked."""
    yield f"run {printable(found['run'])} at {found['at']}, until {printable(found['until'])}", "strong"
    for step in found["steps"]:
        yield "", ""
        yield (
            f"{printable(step['step'])}: role {printable(step['role'])} {step['roleVersion']}, turn {step['turn']}",
            "strong",
        )
        yield f"  label: {json.dumps(step['label'])}, {len(step['trustedValues'])} trusted values", ""
        yield f"  spent: {json.dumps(step['spent'])}", ""
        yield f"  bounds: {json.dumps(step['bounds'])}", "dim"
        for message in step["conversation"]:
            yield f"  {message['role']}: {shortened(_said(message), TEXT_LIMIT)}", ""
    for approval in found["waitingApprovals"]:
        yield "", ""
        yield f"waiting: {approval['id']} for {printable(approval['tool'])} until {approval['expiresAt']}", "wait"
        yield f"  {shortened(approval['arguments'], TEXT_LIMIT)}", ""


def _said(message: Mapping[str, Any]) -> str:
    calls = [f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls") or ()]
    return " ".join([str(message.get("content") or ""), *calls]).strip()


def _difference(difference: "Difference") -> Iterator[Styled]:
    yield f"differs: {difference.kind}: {printable(difference.where)}", "bad"
    lines = difference.diff()
    for text in lines[:MAX_DIFF_LINES]:
        yield f"  {printable(text)}", ""
    if len(lines) > MAX_DIFF_LINES:
        yield f"  and {len(lines) - MAX_DIFF_LINES} more lines", "dim"


def _verdict(result: "Replay") -> Styled:
    if result.differences:
        return f"replay differs: {len(result.differences)} differences", "bad"
    if not result.whole:
        return "not replayed whole: the record does not hold what a replay needs", "bad"
    if result.recording.ended is None:
        return "replay byte-identical, as far as the run had come", "good"
    return "replay byte-identical", "good"
