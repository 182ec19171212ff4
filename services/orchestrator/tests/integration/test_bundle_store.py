"""Stored bundles on a real Postgres, beside versions that are older or newer than the one that reads."""

from __future__ import annotations

import json

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.canonical import canonical_json, digest_bytes
from amas_orchestrator.adapters.bundle_store import PostgresBundles
from amas_orchestrator.adapters.postgres_pool import Database

from .. import resources
from ..fakes import START
from .test_stores import stored

__all__ = ["stored"]
pytestmark = pytest.mark.integration


async def store_bundle(database: Database, digest: str, content: bytes) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO orchestrator.bundles (tenant, digest, content, created_at, created_by) "
            "VALUES ('acme', $1, $2, $3, 'x')",
            digest,
            content,
            START,
        )


async def test_runs_go_on_under_a_bundle_that_an_earlier_version_stored(stored: Database) -> None:
    """A release adds optional members to resources; what was stored before it is read, under the name it has."""
    value = json.loads(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE).content)
    for manifest in value["resources"]:
        manifest["spec"].pop("answers", None)
    old = canonical_json(value)
    assert b'"answers"' not in old
    await store_bundle(stored, digest_bytes(old), old)
    bundle = await PostgresBundles(stored).pinned("acme", digest_bytes(old))
    assert bundle is not None
    assert (bundle.digest, bundle.content) == (digest_bytes(old), old)
    assert bundle.orchestration("single") is not None


async def test_a_bundle_of_a_later_version_waits_and_a_damaged_one_is_refused(stored: Database) -> None:
    """Beside a newer version a run waits for who can read its bundle; other bytes are never taken for it."""
    value = json.loads(resources.bundle_of(resources.SHARED).content)
    value["resources"][0]["spec"]["memberOfTomorrow"] = True
    later = canonical_json(value)
    await store_bundle(stored, digest_bytes(later), later)
    with pytest.raises(AmasError) as newer:
        await PostgresBundles(stored).pinned("acme", digest_bytes(later))
    assert (newer.value.kind, newer.value.reason) == (ErrorKind.UNAVAILABLE, "BUNDLE_UNREADABLE")
    good = resources.bundle_of(resources.SHARED)
    damaged = "sha256:" + "0" * 64
    await store_bundle(stored, damaged, good.content)
    with pytest.raises(AmasError) as refused:
        await PostgresBundles(stored).pinned("acme", damaged)
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.INTERNAL, "BUNDLE_DAMAGED")
