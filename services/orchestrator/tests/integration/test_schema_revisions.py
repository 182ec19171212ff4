"""Which schema the service works with: its own, and those of versions after it."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from amas_chassis.errors import AmasError
from amas_orchestrator.adapters.migrate import _config, migrate, newest_revision
from amas_orchestrator.adapters.postgres_pool import wait_for_database

pytestmark = pytest.mark.integration


def _dsn(url: str, password_file: Any) -> str:
    user, at, place = url.partition("@")
    return f"{user}:{quote(password_file.read_text().strip())}{at}{place}"


async def test_a_newer_schema_is_worked_with_and_an_older_one_is_not(database: Any) -> None:
    """While an upgrade lasts the pods of before stay ready: the schema that they find is already the next one."""
    access = database("orchestrator")
    owner = _dsn(access.owner_url, access.owner_password_file)
    await asyncio.to_thread(migrate, owner, "dbos")
    service = await wait_for_database(_dsn(access.service_url, access.service_password_file), newest_revision(), 60)
    connection = await asyncpg.connect(owner)
    try:
        await service.check(newest_revision())
        await connection.execute("UPDATE orchestrator.alembic_version SET version_num = '9999'")
        await service.check(newest_revision())
        await connection.execute("UPDATE orchestrator.alembic_version SET version_num = '0001'")
        with pytest.raises(AmasError, match="is at revision 0001, this code needs") as raised:
            await service.check(newest_revision())
        assert raised.value.reason == "SCHEMA_MISMATCH"
    finally:
        await connection.close()
        await service.close()


def test_revisions_are_ordered_by_their_texts() -> None:
    """What the comparison rests on: four digits each, each after the one that it follows."""
    scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())
    revisions = [script.revision for script in reversed(scripts)]
    assert all(len(one) == 4 and one.isdigit() for one in revisions)
    assert revisions == sorted(revisions)
