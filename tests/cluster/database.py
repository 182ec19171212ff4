"""A database of the dependencies' Postgres, as its administrator sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
from alembic.script import ScriptDirectory

from .forward import forwarded
from .kube import Kube

POD = "pod/postgres-0"
PORT = 5432
ADMINISTRATOR = "postgres"
CONNECT_TIMEOUT_S = 20.0
ROOT = Path(__file__).resolve().parents[2]
# Service -> its table of revisions (alembic).
REVISIONS = {
    "audit": "SELECT version_num FROM audit.alembic_version",
    "orchestrator": "SELECT version_num FROM orchestrator.alembic_version",
    "ai-router": "SELECT version_num FROM ai_router.alembic_version",
}


class ClusterDatabase:
    """One database by its name; it may not be there yet."""

    def __init__(self, kube: Kube, dependencies: Kube, name: str) -> None:
        self.name = name
        self._kube = kube
        self._dependencies = dependencies

    def drop(self) -> None:
        """Drops it with all that is in it, if it is there."""
        self._do(
            "postgres", lambda connection: connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        )

    def revisions(self) -> dict[str, str]:
        """The revision of each service's schema."""

        async def ask(connection: asyncpg.Connection) -> dict[str, str]:
            return {service: str(await connection.fetchval(statement)) for service, statement in REVISIONS.items()}

        return dict(self._do(self.name, ask))

    def ask(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, Any]]) -> Any:
        """What comes of some work on a connection of the administrator's."""
        return self._do(self.name, work)

    def _do(self, database: str, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, Any]]) -> Any:
        password = self._kube.secret("postgres-admin", "password")

        async def connected(port: int) -> Any:
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=port,
                user=ADMINISTRATOR,
                password=password,
                database=database,
                ssl=False,
                timeout=CONNECT_TIMEOUT_S,
            )
            try:
                return await work(connection)
            finally:
                await connection.close()

        with forwarded(self._dependencies, POD, PORT) as port:
            return asyncio.run(connected(port))


def newest_revisions() -> dict[str, str]:
    """The revision that the code of this checkout brings each service's schema to."""
    found = {}
    for service in REVISIONS:
        package = f"amas_{service.replace('-', '_')}"
        scripts = ScriptDirectory(str(ROOT / "services" / service / "src" / package / "adapters/migrations"))
        found[service] = str(scripts.get_current_head())
    return found
