"""Creates the database, its schemas and its roles, as the administrator of a Postgres would before an installation.

Each service has a schema, an owner role that migrates it and a runtime role that may only use it: a runtime role never
owns a table. Tables and grants are made by each service's own `migrate`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

# Service -> schemas that its owner role owns. DBOS keeps its system tables apart from ours.
SCHEMAS: dict[str, tuple[str, ...]] = {
    "audit": ("audit",),
    "orchestrator": ("orchestrator", "dbos"),
    "ai-router": ("ai_router",),
}
FURTHER_ROLES: dict[str, tuple[str, ...]] = {"audit": ("eraser",)}
"""Roles of a service beside those two, for one purpose each; what they may do is granted by its `migrate`."""
PASSWORD_BYTES = 24


@dataclass(frozen=True)
class DatabaseAccess:
    """How a service reaches its database: URLs without passwords, and the files that hold these."""

    service_url: str
    service_password_file: Path
    owner_url: str
    owner_password_file: Path


def role_of(service: str) -> str:
    """Name of a service's runtime role: `amas_ai_router`."""
    return "amas_" + service.replace("-", "_")


def ensure_password(path: Path) -> str:
    """Reads a password, or makes one in a file that only we can read, in a folder that only we can enter."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as target:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        target.write(password)
    return password


async def ensure_databases(
    admin_dsn: str,
    secrets_dir: Path,
    *,
    database: str = "amas",
    services: Sequence[str] = tuple(SCHEMAS),
) -> dict[str, DatabaseAccess]:
    """Creates what is missing, sets the roles' passwords to those of the files; answers the access of each service.

    `admin_dsn` names a superuser on any database of the server. Idempotent.
    """
    access: dict[str, DatabaseAccess] = {}
    admin = await asyncpg.connect(admin_dsn)
    try:
        host, port = _address(admin_dsn)
        for service in services:
            access[service] = await _ensure_roles(admin, service, secrets_dir, f"{host}:{port}/{database}")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await admin.execute(f'CREATE DATABASE "{database}"')
        await admin.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
        for service in services:
            await admin.execute(f'GRANT CONNECT ON DATABASE "{database}" TO {", ".join(_roles(service))}')
    finally:
        await admin.close()
    inside = await asyncpg.connect(admin_dsn, database=database)
    try:
        await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for service in services:
            role = role_of(service)
            for schema in SCHEMAS[service]:
                await inside.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}_owner")
                await inside.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    finally:
        await inside.close()
    return access


async def _ensure_roles(admin: asyncpg.Connection, service: str, secrets_dir: Path, place: str) -> DatabaseAccess:
    role = role_of(service)
    files = {name: secrets_dir / f"postgres-{name}" for name in _roles(service)}
    for name, path in files.items():
        password = ensure_password(path)
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
            await admin.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
        # ALTER ROLE takes no parameters; quote_literal makes the literal on the server.
        literal = await admin.fetchval("SELECT quote_literal($1::text)", password)
        await admin.execute(f"ALTER ROLE {name} PASSWORD {literal}")
    return DatabaseAccess(
        service_url=f"postgresql://{role}@{place}",
        service_password_file=files[role],
        owner_url=f"postgresql://{role}_owner@{place}",
        owner_password_file=files[f"{role}_owner"],
    )


def _roles(service: str) -> list[str]:
    """All database roles of a service, its runtime role first."""
    role = role_of(service)
    return [role, f"{role}_owner", *(f"{role}_{purpose}" for purpose in FURTHER_ROLES.get(service, ()))]


def _address(dsn: str) -> tuple[str, int]:
    parts = urlsplit(dsn)
    return parts.hostname or "127.0.0.1", parts.port or 5432
