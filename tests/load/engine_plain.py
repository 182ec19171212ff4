"""Plain DBOS as a process: workflows of trivial steps, with the connection settings of our own engine."""

from __future__ import annotations

import asyncio
import logging

from amas_orchestrator.adapters.dbos_engine import POOL_SIZE
from dbos import DBOS, DBOSConfig

from .engine_load import STEPS, Spent, main, spend


async def measure(dsn: str, workflows: int) -> Spent:
    """Launches DBOS on a database that has its schema, and measures."""
    config: DBOSConfig = {
        "name": "plain-engine",
        "system_database_url": dsn,
        "dbos_system_schema": "dbos",
        "run_migrations": False,
        # As ours, so that what is compared is what we add; DBOS's own default pings before each use.
        "sys_db_pool_size": POOL_SIZE,
        "db_engine_kwargs": {"pool_pre_ping": False, "pool_size": POOL_SIZE, "max_overflow": 0},
        "log_level": "WARNING",
    }
    logging.getLogger("dbos").setLevel(logging.WARNING)
    DBOS(config=config)

    @DBOS.step()
    async def trivial(number: int) -> str:
        return f"done {number}"

    @DBOS.workflow()
    async def plain(topic: str) -> str:
        for number in range(STEPS):
            await trivial(number)
        return topic

    DBOS.launch()

    async def one() -> None:
        handle = await DBOS.start_workflow_async(plain, "a")
        await handle.get_result()

    async def settled() -> bool:
        return True

    try:
        return await spend(one, settled, workflows)
    finally:
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)


if __name__ == "__main__":
    main(measure)
