"""The whole audit service, with a point of an append at which it ends: for tests alone.

    python -m services.audit.tests.faults.service POINT NTH

Settings, key, tables, gRPC and drain are the service's own; only the pool that it opens is wrapped.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from amas_audit import bootstrap
from amas_audit.adapters.postgres_pool import open_pool
from amas_chassis.service import main

from .failpoints import TrippedPool, Tripwire, check_points


def run(point: str, nth: int) -> int:
    """Serve until the point is reached for the nth time."""
    check_points([point])
    tripwire = Tripwire(point, nth, lambda: os.kill(os.getpid(), signal.SIGKILL))

    async def open_tripped(*arguments: Any, **options: Any) -> Any:
        return TrippedPool(await open_pool(*arguments, **options), tripwire.reached)

    bootstrap.open_pool = open_tripped
    return main(bootstrap.NAME, bootstrap.build)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2])))
