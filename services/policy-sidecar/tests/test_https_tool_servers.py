"""Tool servers over TLS: the certificate is held against the server's name, whatever address it is reached at."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from amas_chassis.clock import SystemClock
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.adapters.transports import ToolSurroundings
from amas_policy_sidecar.domain.errors import ToolFailed
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .surroundings import surroundings

NAME = "tools.example.test"


class Loopback(AbstractResolver):
    """Every name leads to 127.0.0.1."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        return


def certify(folder: Path) -> None:
    """A certificate for NAME, which is its own authority, as `ca.pem` with `key.pem`."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))


async def answer(request: web.Request) -> web.Response:
    """One message of an MCP server."""
    message = await request.json()
    if "id" not in message:
        return web.Response(status=202)
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    called = {"content": [{"type": "text", "text": request.headers["Host"]}]}
    result = {"initialize": hello, "tools/call": called}.get(message["method"], {})
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """The port of the server."""
    certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    app = web.Application()
    app.router.add_post("/mcp", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[McpToolServers]:
    plain = surroundings(tmp_path, tmp_path)
    where = ToolSurroundings(plain.environment, plain.credentials_dir, plain.sandbox, Loopback())
    made = McpToolServers(where, SystemClock(), lambda _name, _well: None)
    yield made
    await made.close()


def definition(name: str, port: int) -> ToolServer:
    """A server that is called `name`."""
    http = {
        "url": f"https://{name}:{port}/mcp",
        "tls": {"caFile": "ca.pem"},
        "egress": {"networks": ["127.0.0.0/8"]},
    }
    made = parse_manifest(
        {
            "apiVersion": "amas.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": "far"},
            "spec": {"transport": {"http": http}, "tools": {"look": {"effect": "read"}}},
        }
    )
    assert isinstance(made, ToolServer)
    return made


async def test_the_name_is_what_the_certificate_must_be_for(tools: McpToolServers, port: int) -> None:
    """Whoever holds the address without the certificate of the name is not talked to."""
    assert (await tools.call("acme", definition(NAME, port), "look", {})).text == f"{NAME}:{port}"
    with pytest.raises(ToolFailed) as caught:
        await tools.call("acme", definition("other.example.test", port), "look", {})
    assert (caught.value.code, caught.value.sent) == ("TOOL_SERVER_UNAVAILABLE", False)
