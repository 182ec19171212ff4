"""Creates the database, its schemas and its roles, as the administrator of a Postgres would before an installation.

Each service has a schema, an owner role that migrates it and a runtime role that may only use it: a runtime role never
owns a table. Tables and grants are made by each service's own `migrate`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
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
FURTHER_ROLES: dict[str, tuple[str, ...]] = {"audit": ("eraser", "dropper"), "orchestrator": ("scaler",)}
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
    """`prepare_database` with passwords of files, made where they are missing; answers the access of each service."""
    passwords = {role: secrets_dir / f"postgres-{role}" for service in services for role in roles_of(service)}
    await prepare_database(
        admin_dsn, {role: ensure_password(path) for role, path in passwords.items()}, database=database
    )
    parts = urlsplit(admin_dsn)
    place = f"{parts.hostname or '127.0.0.1'}:{parts.port or 5432}/{database}"
    return {
        service: DatabaseAccess(
            service_url=f"postgresql://{role_of(service)}@{place}",
            service_password_file=passwords[role_of(service)],
            owner_url=f"postgresql://{role_of(service)}_owner@{place}",
            owner_password_file=passwords[f"{role_of(service)}_owner"],
        )
        for service in services
    }


async def prepare_database(admin_dsn: str, passwords: Mapping[str, str], *, database: str = "amas") -> None:
    """Creates what is missing of the database, and of the roles and schemas of the services whose roles have passwords.

    `admin_dsn` names a superuser on any database of the server, or a role that may create roles and databases, as
    managed services have it. Sets the passwords. Idempotent. Raises what asyncpg and the network raise.
    """
    services = [service for service in SCHEMAS if role_of(service) in passwords]
    admin = await asyncpg.connect(admin_dsn)
    try:
        for service in services:
            for role in roles_of(service):
                await _ensure_role(admin, role, passwords[role])
            # Who is no superuser gives a schema only to a role that it is a member of.
            if not await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
                await admin.execute(f"GRANT {role_of(service)}_owner TO CURRENT_USER")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await admin.execute(f'CREATE DATABASE "{database}"')
        await admin.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
        for service in services:
            await admin.execute(f'GRANT CONNECT ON DATABASE "{database}" TO {", ".join(roles_of(service))}')
    finally:
        await admin.close()
    inside = await asyncpg.connect(admin_dsn, database=database)
    try:
        await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for service in services:
            role = role_of(service)
            for schema in SCHEMAS[service]:
                await inside.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}_owner")
                await _allow_schema(inside, schema, role)
    finally:
        await inside.close()


def roles_of(service: str) -> list[str]:
    """All database roles of a service, its runtime role first."""
    role = role_of(service)
    return [role, f"{role}_owner", *(f"{role}_{purpose}" for purpose in FURTHER_ROLES.get(service, ()))]


async def _ensure_role(admin: asyncpg.Connection, name: str, password: str) -> None:
    if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await admin.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
    # ALTER ROLE takes no parameters; quote_literal makes the literal on the server.
    literal = await admin.fetchval("SELECT quote_literal($1::text)", password)
    await admin.execute(f"ALTER ROLE {name} PASSWORD {literal}")


async def _allow_schema(inside: asyncpg.Connection, schema: str, role: str) -> None:
    async with inside.transaction():
        # As the schema's owner: the administrator of a managed server may not grant what is another's.
        await inside.execute(f"SET LOCAL ROLE {role}_owner")
        await inside.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
