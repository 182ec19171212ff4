"""The way out, against a real receiver: signed, once, no further than told, and deaf to what it is answered."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from amas_orchestrator.adapters.webhook_sender import HttpSender
from amas_orchestrator.domain.webhooks import Delivery, Endpoint
from standardwebhooks import Webhook

SECRETS = {name: "whsec_" + base64.b64encode(name.encode() * 32).decode() for name in ("o", "n")}
DELIVERY = Delivery("msg_1", "acme", "chat", '{"type": "approval.requested"}')


class Names(AbstractResolver):
    """Answers what it is told."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        return


class Receiver:
    """Answers with a status, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.got: list[tuple[bytes, dict[str, str]]] = []

    async def take(self, request: web.Request) -> web.Response:
        """One message."""
        self.got.append((await request.read(), {key.lower(): value for key, value in request.headers.items()}))
        return web.Response(status=self.status, headers=self.headers, text='{"approve": true}' * (self.status == 200))


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, Endpoint]]:
    """A receiver on loopback, and its entry."""
    made, app = Receiver(), web.Application()
    app.router.add_post("/{path:.*}", made.take)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    yield made, Endpoint("chat", "acme", f"http://127.0.0.1:{server.port}/", ("o", "n"), networks=("127.0.0.0/8",))
    await server.close()


@pytest.fixture
def sender(tmp_path: Path) -> HttpSender:
    """A sender with two secrets, as while one is rotated."""
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret + "\n")
    return HttpSender(tmp_path)


async def test_a_message_verifies_with_either_secret(receiver: tuple[Receiver, Endpoint], sender: HttpSender) -> None:
    """Rotation: who has the old secret and who has the new one both take it."""
    got, endpoint = receiver
    assert await sender.send(endpoint, DELIVERY, datetime.now(UTC))
    [(body, headers)] = got.got
    assert headers["webhook-id"] == "msg_1"
    for secret in SECRETS.values():
        assert Webhook(secret).verify(body, headers) == json.loads(DELIVERY.body)


async def test_a_rotated_secret_signs_the_next_message(
    receiver: tuple[Receiver, Endpoint], sender: HttpSender, tmp_path: Path
) -> None:
    """Without a restart."""
    got, endpoint = receiver
    alone = replace(endpoint, secrets=("o",))
    fresh = "whsec_" + base64.b64encode(b"f" * 32).decode()
    (tmp_path / "o").write_text(fresh)
    assert await sender.send(alone, DELIVERY, datetime.now(UTC))
    assert Webhook(fresh).verify(*got.got[0])


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 410, 500])
async def test_only_a_yes_is_a_yes_and_no_redirect_is_followed(
    receiver: tuple[Receiver, Endpoint], sender: HttpSender, status: int
) -> None:
    """A redirect leads nowhere: the message goes to the address that was checked, once."""
    got, endpoint = receiver
    got.status, got.headers = status, {"Location": f"{endpoint.url}elsewhere"}
    assert not await sender.send(endpoint, DELIVERY, datetime.now(UTC))
    assert len(got.got) == 1


async def test_an_address_that_is_not_allowed_is_not_called(
    receiver: tuple[Receiver, Endpoint], sender: HttpSender, tmp_path: Path
) -> None:
    """Neither by its number, nor by a name that leads there."""
    got, endpoint = receiver
    assert not await sender.send(replace(endpoint, networks=()), DELIVERY, datetime.now(UTC))
    rebound = HttpSender(tmp_path, Names("127.0.0.1"))
    named = replace(endpoint, url=endpoint.url.replace("127.0.0.1", "hooks.example.com"))
    assert not await rebound.send(replace(named, networks=()), DELIVERY, datetime.now(UTC))
    assert got.got == []
    assert await rebound.send(named, DELIVERY, datetime.now(UTC)), "as the operator named the network"


async def test_without_a_secret_nothing_is_sent_and_no_secret_is_logged(
    receiver: tuple[Receiver, Endpoint], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An unsigned message would teach receivers to take one."""
    got, endpoint = receiver
    (tmp_path / "o").write_text("whsec_plantedplanted!")
    with caplog.at_level(logging.DEBUG):
        for folder in (None, tmp_path):
            assert not await HttpSender(folder).send(endpoint, DELIVERY, datetime.now(UTC))
    assert got.got == []
    assert "planted" not in caplog.text


async def test_a_receiver_that_is_away_is_a_failure_and_no_error(sender: HttpSender) -> None:
    """It is tried again later."""
    away = Endpoint("chat", "acme", "http://127.0.0.1:1/", ("o",), networks=("127.0.0.0/8",))
    assert not await sender.send(away, DELIVERY, datetime.now(UTC))
