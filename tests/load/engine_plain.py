"""Plain DBOS as a process: workflows of trivial steps, with its default settings."""

from __future__ import annotations

import asyncio
import logging

from amas_orchestrator.adapters.dbos_engine import POOL_SIZE
from dbos import DBOS, DBOSConfig

from .engine_load import STEPS, Spent, main, spend


async def measure(dsn: str, workflows: int, *, tuned: bool = False) -> Spent:
    """Launches DBOS on a database that has its schema, and measures. `tuned`: with our engine's pool of connections."""
    config: DBOSConfig = {
        "name": "plain-engine",
        "system_database_url": dsn,
        "dbos_system_schema": "dbos",
        "run_migrations": False,
        "log_level": "WARNING",
    }
    if tuned:
        config["sys_db_pool_size"] = POOL_SIZE
        config["db_engine_kwargs"] = {"pool_pre_ping": False, "pool_size": POOL_SIZE, "max_overflow": 0}
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
