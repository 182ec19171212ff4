"""One platform for all tests of this folder: its stores and its router are stopped and started by them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from amas_cli.local.database_setup import ensure_databases, ensure_password
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from amas_cli.local.embedded_valkey import EmbeddedValkey

from tests.fault_server import fault_server
from tests.integration.ports import free_port

from .platform import Platform, untrusted
from .provider_scripts import good
from .routes import make_bundle
from .slow_link import SlowLink
from .stand_ins import Audit, Policy, audit_stand_in, policy_stand_in


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def platform(tmp_path_factory: pytest.TempPathFactory, certificates: Any) -> AsyncIterator[Platform]:
    """Own stores, stand-ins, a provider; the router is started by who needs one."""
    folder = tmp_path_factory.mktemp("model-faults")
    passwords = [folder / "secrets" / name for name in ("postgres", "valkey")]
    for password in passwords:
        ensure_password(password)
    audit = Audit()
    servers = (
        audit_stand_in(certificates.files("audit"), audit),
        policy_stand_in(certificates.files("policy-sidecar"), Policy()),
    )
    async with contextlib.AsyncExitStack() as ending:
        provider = await ending.enter_async_context(fault_server(good))
        no_provider = await ending.enter_async_context(fault_server(good, untrusted(certificates)))
        # A port is found when its server is about to start: whoever else begins to listen meanwhile may be given it.
        postgres = EmbeddedPostgres(
            folder / "postgres",
            free_port(),
            password_file=passwords[0],
            log_file=folder / "postgres.log",
            durable=False,
        )
        ending.push_async_callback(asyncio.to_thread, postgres.remove)
        await asyncio.to_thread(postgres.start)
        valkey = EmbeddedValkey(folder / "valkey", free_port(), password_file=passwords[1])
        ending.push_async_callback(asyncio.to_thread, valkey.stop)
        await asyncio.to_thread(valkey.start)
        link = SlowLink(valkey.port)
        ending.push_async_callback(link.stop)
        await link.start()
        for server in servers:
            ending.push_async_callback(server.stop)
            await server.start()
        elsewhere = {
            "connection refused": f"http://127.0.0.1:{free_port()}/v1",
            "TLS failure": f"{no_provider.url}/v1",
            "DNS failure": "http://no-such-host.invalid/v1",
        }
        databases = await ensure_databases(postgres.dsn(), folder / "secrets", services=["ai-router"])
        made = Platform(
            folder=folder,
            certificates=certificates,
            access=databases["ai-router"],
            postgres=postgres,
            valkey=valkey,
            redis_link=link,
            provider=provider,
            audit=audit,
            audit_server=servers[0],
            policy_server=servers[1],
            bundle=make_bundle(f"{provider.url}/v1", elsewhere),
        )
        provider.script = made.answer
        ending.push_async_callback(made.close)
        await made.migrate()
        await made.start()
        # From here on the router and policy have the bundle, as they do but for the first call of all.
        await made.well()
        yield made
