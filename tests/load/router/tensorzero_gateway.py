"""TensorZero's gateway as its wheel serves it: over HTTP, in a Python process that does nothing but wait.

Runs in the peer's own environment, by its path: `python tensorzero_gateway.py CONFIG`. Prints its base URL.
"""

import asyncio
import sys

from tensorzero.tensorzero import _start_http_gateway  # type: ignore[import-not-found]  # not in our environment


async def main(config: str) -> None:
    """Serves until it is told to stop."""
    gateway = await _start_http_gateway(
        config_file=config, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=True
    )
    print(gateway.base_url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
