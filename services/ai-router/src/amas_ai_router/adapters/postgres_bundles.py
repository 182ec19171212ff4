"""Contents of bundles in Postgres, by digest. A content is written once and never changed."""

from __future__ import annotations

from .postgres_errors import postgres_errors
from .postgres_pool import Pool


class PostgresBundles:
    """See ports.BundleStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def content(self, digest: str) -> bytes | None:
        """See ports.BundleStore."""
        with postgres_errors():
            content: bytes | None = await self._pool.fetchval("SELECT content FROM bundle WHERE digest = $1", digest)
        return content

    async def put(self, digest: str, content: bytes) -> None:
        """See ports.BundleStore."""
        with postgres_errors():
            await self._pool.execute(
                "INSERT INTO bundle (digest, content) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
                digest,
                content,
            )
