"""The operator's file of webhook receivers: what it may say, and what is refused at the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from amas_orchestrator.adapters.webhook_file import WebhookFileError, read_endpoints
from amas_orchestrator.domain.webhooks import ALL_EVENTS, WebhookEvent

GOOD: dict[str, Any] = {"name": "chat", "tenant": "acme", "url": "https://hooks.example.com/x", "secrets": ["chat-1"]}


def written(folder: Path, *endpoints: dict[str, Any]) -> Path:
    """The file with these receivers."""
    file = folder / "webhooks.json"
    file.write_text(json.dumps({"endpoints": list(endpoints)}))
    return file


def test_a_receiver_is_read_with_defaults_that_tell_little(tmp_path: Path) -> None:
    """All events, no arguments, public addresses alone."""
    [endpoint] = read_endpoints(written(tmp_path, GOOD)).all
    assert (endpoint.events, endpoint.arguments, endpoint.networks) == (ALL_EVENTS, False, ())
    assert read_endpoints(None).all == ()


def test_a_receiver_inside_is_named_with_its_network(tmp_path: Path) -> None:
    """A loopback receiver over http, when it is meant."""
    inside = {
        **GOOD,
        "url": "http://127.0.0.1:8080/",
        "networks": ["127.0.0.0/8"],
        "events": ["approval.decided"],
        "arguments": True,
        "link": "https://amas.example.com/approvals/{approval}",
    }
    [endpoint] = read_endpoints(written(tmp_path, inside)).all
    assert endpoint.events == {WebhookEvent.DECIDED}
    assert endpoint.arguments


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "http://hooks.example.com/"}, "expected https"),
        ({"url": "ftp://hooks.example.com/"}, "expected an https URL"),
        ({"url": "https://user:pw@hooks.example.com/"}, "without credentials"),
        ({"url": "https://169.254.169.254/latest"}, "not public"),
        ({"url": "http://127.0.0.1/"}, "not public"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "not public"),
        ({"networks": ["10.0.0.1/8"]}, "host bits"),
        ({"secrets": []}, "secrets"),
        ({"secrets": ["../../etc/passwd"]}, "secrets"),
        ({"secrets": ["a", "b", "c"]}, "secrets"),
        ({"events": ["approval.odd"]}, "events"),
        ({"link": "https://amas.example.com/"}, "{approval}"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_slip_is_a_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """I11: nothing is guessed; the sentence says where, and repeats no value."""
    with pytest.raises(WebhookFileError) as refused:
        read_endpoints(written(tmp_path, {**GOOD, **changes}))
    assert message in str(refused.value)
    assert "pw" not in str(refused.value).partition(": ")[2]


def test_two_of_one_name_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    """Names are unique in a tenant; a missing or broken file is said so."""
    with pytest.raises(WebhookFileError, match="two endpoints chat"):
        read_endpoints(written(tmp_path, GOOD, GOOD))
    assert len(read_endpoints(written(tmp_path, GOOD, {**GOOD, "tenant": "globex"})).all) == 2
    with pytest.raises(WebhookFileError, match="cannot be read"):
        read_endpoints(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(WebhookFileError, match="Invalid JSON"):
        read_endpoints(tmp_path / "broken.json")
