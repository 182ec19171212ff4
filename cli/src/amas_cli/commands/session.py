"""Opens the gateway's API for a command: finds the server, the principal and a token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amas_cli.contexts import resolve_principal, resolve_server
from amas_cli.gateway.api import GatewayApi
from amas_cli.gateway.client import HttpClient
from amas_cli.tokens import token_for


@asynccontextmanager
async def gateway(server: str, principal: str) -> AsyncIterator[GatewayApi]:
    """The API at a server as a principal; both may be empty, see `contexts.py`."""
    url = resolve_server(server)
    name = resolve_principal(principal)
    async with HttpClient(url, lambda: token_for(name)) as client:
        yield GatewayApi(client)
