from typing import Any

from amas_cli.output.follow import FollowView


def texts(*events: dict[str, Any]) -> list[str]:
    view = FollowView()
    return [shown.text for event in events for shown in view.lines(event)]


def test_a_model_call_shows_tokens_cost_and_time() -> None:
    """What a call cost stands on its line."""
    usage = {"input_tokens": "1204", "output_tokens": "85", "cost": {"amount": "0.000471", "currency": "USD"}}
    called = {"model": "scripted-1", "usage": usage, "duration_ms": "42", "attempts": 2}
    assert texts({"step": "draft", "model_called": called}) == [
        "draft        model     scripted-1  1204+85 tokens  $0.000471  42 ms  2 attempts"
    ]


def test_a_tool_call_shows_its_decision_and_why() -> None:
    """Each decision is shown with its reason."""
    called = {
        "tool": "git/git_commit",
        "arguments": {"message": "docs: notes"},
        "decision": {"effect": "escalate", "reasons": [{"code": "APPROVAL_REQUIRED", "message": "a human decides"}]},
    }
    assert texts({"step": "publish", "tool_called": called}) == [
        'publish      tool      git/git_commit {"message": "docs: notes"}',
        "publish      decision  escalate  APPROVAL_REQUIRED: a human decides",
    ]


def test_a_step_shows_how_long_it_took() -> None:
    """From running to its end."""
    running = {"step": "draft", "time": "2026-11-23T10:00:00Z", "step_state_changed": {"state": "running", "role": "w"}}
    done = {"step": "draft", "time": "2026-11-23T10:00:01.500Z", "step_state_changed": {"state": "succeeded"}}
    assert texts(running, done) == ["draft        step      running as w", "draft        step      succeeded in 1.5 s"]


def test_an_end_with_a_reason_shows_it() -> None:
    """A failed run says why."""
    ended = {"run_state_changed": {"state": "failed", "reason": {"code": "BOUND_REACHED", "message": "too many turns"}}}
    assert texts(ended)[-1].strip() == "BOUND_REACHED: too many turns"


def test_every_line_is_narrow_and_safe() -> None:
    """A result or an argument can neither flood nor steer the terminal."""
    called = {"tool": "x/y", "arguments": {"text": "\x1b[2J" + "a" * 5000}, "decision": {"effect": "allow"}}
    for line in texts({"step": "s", "tool_called": called}):
        assert len(line) <= 120
        assert "\x1b" not in line


def test_an_event_of_another_version_is_no_error() -> None:
    """An older client follows a newer platform."""
    assert texts({"step": "s", "something_new": {}}) == []
