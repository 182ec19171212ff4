"""What the client makes of a witness's answer."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from amas_audit.adapters import witness_client
from amas_audit.adapters.witness_client import WitnessClient, read_witnesses
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.signed_note import SIGNATURE_MARK
from amas_audit.domain.witnessing import COSIGNATURE_TYPE, WitnessKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Turns of the event loop in which the client gets to see the first part alone.
TURNS = 200
BODY = "log.example\n1\nroot\n"


async def test_an_answer_may_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the network cuts in two is one line."""
    monkeypatch.setattr(witness_client, "TIMEOUT", 60.0)
    private = Ed25519PrivateKey.generate()
    key = WitnessKey("witness.example", private.public_key().public_bytes_raw())
    signature = private.sign(f"cosignature/v1\ntime 5\n{BODY}".encode())
    typed = base64.b64encode(key.key_id + (5).to_bytes(8, "big") + signature).decode()
    line = f"{SIGNATURE_MARK}{key.name} {typed}\n"

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line.encode()[:40])
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await response.write(line.encode()[40:])
        return response

    app = web.Application()
    app.router.add_post("/add-checkpoint", answer)
    encoded = base64.b64encode(COSIGNATURE_TYPE + key.public_key).decode()
    parsed = WitnessKey.parse(f"{key.name}+{key.key_id.hex()}+{encoded}")
    async with TestServer(app) as server:
        client = WitnessClient(str(server.make_url("")), parsed, ssl.create_default_context())
        try:
            assert await client.cosign(0, (), f"{BODY}\n{SIGNATURE_MARK}log.example AAAA\n") == line
        finally:
            await client.close()


def test_a_witness_that_stands_in_the_file_twice_is_refused(tmp_path: Path, certificates: Any) -> None:
    """I11: it counts once, so that its quorum could never be reached."""
    key = WitnessKey("witness.example", bytes(32))
    encoded = base64.b64encode(COSIGNATURE_TYPE + key.public_key).decode()
    line = f"http://127.0.0.1:1 {key.name}+{key.key_id.hex()}+{encoded}\n"
    (tmp_path / "witnesses").write_text(line * 2)
    with pytest.raises(NotReadyError, match="line 2: the witness stands there twice"):
        read_witnesses(tmp_path / "witnesses", certificates.files("audit").ca)
