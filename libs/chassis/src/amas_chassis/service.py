"""The main function of every service: event loop, logs, telemetry, signals, exit code.

A service's `__main__` calls `main` with a function that reads the settings and wires everything. It must never print a
traceback for something an operator can mend: wrong settings and an address in use get one sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from . import logs, telemetry
from .grpc_server import GrpcService, ListenError
from .lifecycle import Lifecycle, Server, ServiceSpec
from .settings import EXIT_SETTINGS, SettingsError

__all__ = ["GrpcService", "ListenError", "Server", "ServiceSpec", "main"]

_log = logging.getLogger(__name__)

# Exit codes, documented for operators.
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_LISTEN = 3
# By convention 128 + SIGTERM: told twice, left at once.
EXIT_FORCED = 143
# Allocations before the youngest generation is looked at, and rounds before the older ones are: a call makes few cycles
# but thousands of objects.
GC_THRESHOLDS = (20_000, 20, 50)


class _LeftError(Exception):
    """The wiring has said what is wrong and asks to leave with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main(name: str, build: Callable[[], Awaitable[ServiceSpec]]) -> int:
    """Serve what `build` wires until SIGTERM or SIGINT; the exit code for the process.

    0: ended as told. 1: failed. 2: the settings are wrong. 3: an address cannot be listened on. 143: told twice.
    """
    # grpc's core writes lines of its own to stderr, such as each connection's end; ours are JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logs.configure(name, "info")
    telemetry.configure(name, None)
    _allow_open_files()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(name, build))
    except _LeftError as left:
        return left.code
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except ListenError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_LISTEN
    except Exception:
        _log.exception("the service failed")
        return EXIT_FAILED
    finally:
        telemetry.shutdown()


def _allow_open_files() -> None:
    """As many open files as the process may have: a stream is a connection, and shells begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(name: str, build: Callable[[], Awaitable[ServiceSpec]]) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    spec = await _until(stop, _wired(build))
    if spec is None:
        return EXIT_OK
    logs.configure(name, spec.settings.log_level)
    if spec.settings.otlp_endpoint:
        telemetry.configure(name, spec.settings.otlp_endpoint)
    _spare_what_stays()
    return EXIT_OK if await Lifecycle(spec).run(stop) else EXIT_FAILED


def _spare_what_stays() -> None:
    """Modules and wiring live as long as the process: looking at them again and again cost 8 % of a hot path."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _stop_on_signals(stop: asyncio.Event) -> None:
    def told() -> None:
        if stop.is_set():
            _log.warning("told to stop a second time, leaving at once")
            os._exit(EXIT_FORCED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)


async def _wired(build: Callable[[], Awaitable[ServiceSpec]]) -> ServiceSpec:
    try:
        return await build()
    except SystemExit as error:
        # An event loop that meets SystemExit in a task reports it a second time, with a traceback.
        raise _LeftError(error.code if isinstance(error.code, int) else EXIT_FAILED) from None


async def _until(stop: asyncio.Event, building: Coroutine[Any, Any, ServiceSpec]) -> ServiceSpec | None:
    """The result of `building`, or None if the process is told to stop before it is done."""
    build = asyncio.create_task(building)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((build, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if build.done():
        return build.result()
    build.cancel()
    await asyncio.wait((build,), timeout=5.0)
    return None
