"""The long-running parts of the local platform as process specs, and in which order they stop."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from .embedded_postgres import EmbeddedPostgres
from .embedded_valkey import EmbeddedValkey
from .environment import Wiring, base_environment, http_port_of, module_of, service_environment
from .home import Home
from .processes import ProcessSpec
from .readiness import http_ok
from .server_identity import ServerIdentity

STOP_ORDER = (
    "gateway",
    "orchestrator",
    "ai-router",
    "policy-sidecar",
    "audit",
    "scripted-model",
    "issuer",
    "valkey",
    "postgres",
)
"""Callers before what they call, so that everyone can drain; the databases last."""
SERVICE_STOP_TIMEOUT_S = 15.0
POSTGRES_STOP_TIMEOUT_S = 90.0


def embedded_postgres(home: Home, port: int) -> EmbeddedPostgres:
    """The server in the state folder."""
    return EmbeddedPostgres(home.postgres, port, password_file=home.secrets / "postgres-superuser")


def embedded_valkey(home: Home, port: int) -> EmbeddedValkey:
    """The server in the state folder."""
    return EmbeddedValkey(home.valkey, port, password_file=home.secrets / "valkey")


def postgres_spec(home: Home, server: EmbeddedPostgres) -> ProcessSpec:
    """Runs under another user when we are root."""
    identity = ServerIdentity.current()
    arguments = server.popen_arguments()

    async def accepts() -> bool:
        return await asyncio.to_thread(server.accepts)

    return ProcessSpec(
        name="postgres",
        argv=tuple(server.command()),
        environment=arguments["env"],
        directory=Path(arguments["cwd"]),
        log=home.log("postgres"),
        ready=accepts,
        stop_signal=signal.SIGINT,
        stop_timeout=POSTGRES_STOP_TIMEOUT_S,
        # Its immediate shutdown: the postmaster takes its backends with it.
        orphan_signal=signal.SIGQUIT,
        identity=(identity.uid, identity.gid) if os.geteuid() == 0 else None,
    )


def valkey_spec(home: Home, server: EmbeddedValkey) -> ProcessSpec:
    """Reads its password from its configuration file."""

    async def accepts() -> bool:
        return await asyncio.to_thread(server.accepts)

    return ProcessSpec(
        name="valkey",
        argv=tuple(server.command()),
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        directory=server.data_dir,
        log=home.log("valkey"),
        ready=accepts,
    )


def service_spec(service: str, wiring: Wiring) -> ProcessSpec:
    """One of the five services."""
    return _python_spec(
        service,
        (module_of(service),),
        service_environment(service, wiring),
        wiring,
        wiring.url(http_port_of(service)) + "/readyz",
    )


def issuer_spec(wiring: Wiring) -> ProcessSpec:
    """The development OIDC issuer."""
    arguments = ("--state", str(wiring.home.issuer), "--listen", wiring.address("issuer"))
    return _python_spec(
        "issuer",
        ("amas_cli.local.issuer", *arguments),
        base_environment(wiring.home),
        wiring,
        wiring.url("issuer") + "/healthz",
    )


def scripted_model_spec(wiring: Wiring) -> ProcessSpec:
    """The scripted model provider."""
    return _python_spec(
        "scripted-model",
        ("amas_cli.local.scripted_model", "--listen", wiring.address("scripted-model")),
        base_environment(wiring.home),
        wiring,
        wiring.url("scripted-model") + "/v1/models",
    )


def _python_spec(
    name: str, module: tuple[str, ...], environment: dict[str, str], wiring: Wiring, ready_url: str
) -> ProcessSpec:
    async def ready() -> bool:
        return await http_ok(ready_url)

    return ProcessSpec(
        name=name,
        # -P: the folder that we stand in is not searched for modules.
        argv=(sys.executable, "-P", "-m", *module),
        environment=environment,
        directory=wiring.home.root,
        log=wiring.home.log(name),
        ready=ready,
        ready_url=ready_url,
        stop_timeout=SERVICE_STOP_TIMEOUT_S,
    )
