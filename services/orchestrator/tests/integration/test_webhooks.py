"""Webhooks of the real process, to a real receiver, across a kill."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from amas.common.v1 import approval_pb2, run_pb2
from standardwebhooks import Webhook

from .fake_services import calls, says
from .platform import START_SECONDS, Platform

# Processes have bounds of their own; a hang of one of them is told by those.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# A claim, and the first pauses between attempts.
DELIVERY_SECONDS = 120.0
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


class Receiver:
    """Verifies, and answers as if it could decide: that the approval is approved."""

    def __init__(self) -> None:
        self.away = True
        self.tried = asyncio.Event()
        self.ids: list[str] = []
        self.by_id: dict[str, dict[str, Any]] = {}

    @property
    def messages(self) -> list[dict[str, Any]]:
        """In the order in which they came. Senders repeat what they got no answer to: an id is one message."""
        return list(self.by_id.values())

    async def take(self, request: web.Request) -> web.Response:
        """One message."""
        body = await request.read()
        message = Webhook(SECRET).verify(body, {key.lower(): value for key, value in request.headers.items()})
        self.ids.append(request.headers["webhook-id"])
        self.tried.set()
        if self.away:
            return web.json_response({"approve": True}, status=503)
        self.by_id.setdefault(request.headers["webhook-id"], message)
        return web.json_response({"approve": True, "approved": True, "state": "approved", "decision": "allow"})


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver on loopback, and its URL."""
    made, app = Receiver(), web.Application()
    app.router.add_post("/", made.take)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    yield made, f"http://127.0.0.1:{server.port}/"
    await server.close()


async def test_messages_outlive_the_process_and_their_answers_decide_nothing(
    amas: Platform, receiver: tuple[Receiver, str], tmp_path: Path
) -> None:
    """Tried by one process, delivered by another under the same id; only an authenticated call decides."""
    got, url = receiver
    (tmp_path / "chat").write_text(SECRET)
    entry = {"name": "chat", "tenant": "acme", "url": url, "secrets": ["chat"], "networks": ["127.0.0.0/8"]}
    (tmp_path / "webhooks.json").write_text(json.dumps({"endpoints": [entry]}))
    told = {"WEBHOOKS_FILE": str(tmp_path / "webhooks.json"), "WEBHOOK_SECRETS_DIR": str(tmp_path)}
    amas.fakes.brain = _writer
    first = await amas.start(**told)
    await amas.apply(first)
    run_id = await amas.run(first, "single")
    approval = await amas.approval(first, run_id)
    await amas.until(got.tried.is_set, "a first attempt")
    await first.kill()
    got.away = False
    second = await amas.start(**told)
    # A message that was under way when its process died is free again after its claim.
    await amas.until(lambda: bool(got.messages), "the delivery", DELIVERY_SECONDS)
    [requested] = got.messages
    assert requested["type"] == "approval.requested"
    assert requested["data"]["actionDigest"] == approval.action_digest
    assert "arguments" not in requested["data"]
    assert len(set(got.ids)) == 1, "every attempt has the same id"
    waiting = await amas.approval(second, run_id)
    assert waiting.state == approval_pb2.APPROVAL_STATE_PENDING, "what the receiver answered is not heard"
    assert not amas.fakes.effects
    await amas.decide(second, waiting, approve=True)
    run = await amas.ended(second, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    await amas.until(lambda: len(got.messages) == 2, "the message about the decision", DELIVERY_SECONDS)
    assert (got.messages[1]["type"], got.messages[1]["data"]["state"]) == ("approval.decided", "approved")


async def test_a_file_of_receivers_that_cannot_be_is_said_at_the_start(amas: Platform, tmp_path: Path) -> None:
    """I11: exit code 2 and a sentence, as for every wrong setting."""
    (tmp_path / "webhooks.json").write_text('{"endpoints": [{"name": "chat"}]}')
    process = await amas.launch(WEBHOOKS_FILE=str(tmp_path / "webhooks.json"))
    assert await process.wait(START_SECONDS) == 2
    said = process.log.read_text()
    assert "AMAS_ORCHESTRATOR_WEBHOOKS_FILE" in said
    assert "endpoints.0.tenant" in said
    assert "Traceback" not in said


def _writer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Proposes a write, then is done."""
    results = [message for message in messages if message["role"] == "tool"]
    return says({"text": results[0]["content"]}) if results else calls(("notes__write", {"text": "hello"}))
