"""What is revoked, in the Redis of the quotas, where all sidecars read it and the script of the quotas does.

One hash for all tenants: a version, and one field for each revocation. It is a copy; the truth is the orchestrator's,
which puts it back when it was lost. A hash without a version is one that was lost, and then nothing is known.
"""

from __future__ import annotations

import json
from pathlib import Path

from amas_chassis.clock import Clock
from amas_chassis.kept_fresh import KeptFresh
from amas_governance.revocations import Revocable, RevocationKind, Revoked
from redis.asyncio import Redis
from redis.exceptions import RedisError

from amas_policy_sidecar.domain.errors import revocations_unknown

KEY = "amas:revocations"
# The field of the version. No key of a revocation looks like it: those are JSON lists.
VERSION = "version"
# Seconds between two looks at the version: how late a revocation is noticed where no script asks for it.
INTERVAL = 0.2
# Seconds that a look is believed; after that without another one, nothing is done.
LEASE = 0.8
# Seconds that the store may take for a look, and for a new set.
TIMEOUT = 1.0
_REPLACE = (Path(__file__).parent / "revocations_replace.lua").read_text()


class RedisRevocations:
    """The port on Redis or Valkey. `run` belongs to the background work of the process."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._replace = redis.register_script(_REPLACE)
        self._kept = KeptFresh("revocations", self._read, clock, interval=INTERVAL, lease=LEASE)

    @classmethod
    def connect(cls, dsn: str, clock: Clock) -> RedisRevocations:
        """A client for `dsn`; it connects when it is first asked."""
        return cls(Redis.from_url(dsn, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT), clock)

    async def current(self) -> Revoked:
        """What is revoked, as it was less than LEASE seconds ago."""
        return self._kept.at_hand or await self._kept.get()

    async def newest(self) -> Revoked:
        """What is revoked now."""
        return await self._kept.read_now()

    async def replace(self, revoked: Revoked) -> int:
        """Make it all that is revoked, unless a newer set stands there; the version that does."""
        try:
            held = await self._replace(keys=[KEY], args=[revoked.version, *(one.key for one in revoked.members)])
            return int(held)
        except (RedisError, OSError, ValueError) as error:
            raise revocations_unknown() from error

    async def run(self) -> None:
        """Look at the version for ever."""
        await self._kept.run()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _read(self) -> Revoked:
        try:
            version = await self._redis.hget(KEY, VERSION)
            if version is None:
                raise revocations_unknown()
            known = self._kept.last
            if known is not None and known.version == int(version):
                return known
            # Version and members of one moment; the version may have moved on since it was read above.
            fields = await self._redis.hgetall(KEY)
            if VERSION.encode() not in fields:
                raise revocations_unknown()
            version = fields.pop(VERSION.encode())
            return Revoked(int(version), frozenset(_revocable(field) for field in fields))
        except (RedisError, OSError, ValueError, TypeError) as error:
            raise revocations_unknown() from error


def _revocable(field: bytes | str) -> Revocable:
    tenant, kind, name = json.loads(field)
    return Revocable(tenant, RevocationKind(kind), name)
