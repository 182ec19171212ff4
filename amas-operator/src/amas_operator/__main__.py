"""`python -m amas_operator` works until SIGTERM. Exit codes: 0 told to stop, 1 failed, 2 settings, 3 address in use."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack

import uvloop
from amas_chassis import logs, telemetry
from amas_chassis.grpc_server import ListenError
from amas_chassis.http_sidecar import HttpSidecar
from amas_chassis.readiness import Readiness
from amas_chassis.service import EXIT_FAILED, EXIT_LISTEN, EXIT_OK
from amas_chassis.settings import EXIT_SETTINGS, SettingsError, load

from amas_operator.bootstrap import NAME, build
from amas_operator.settings import OperatorSettings

_log = logging.getLogger(__name__)


def main() -> int:
    """The exit code of the process."""
    logs.configure(NAME, "info")
    telemetry.configure(NAME, None)
    try:
        settings = load(OperatorSettings)
        logs.configure(NAME, settings.log_level)
        if settings.otlp_endpoint:
            telemetry.configure(NAME, settings.otlp_endpoint)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except ListenError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return EXIT_LISTEN
    except Exception:
        _log.exception("the operator failed")
        return EXIT_FAILED
    finally:
        telemetry.shutdown()


async def _serve(settings: OperatorSettings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    readiness = Readiness({})
    probes = HttpSidecar(settings.http_listen, readiness)
    async with AsyncExitStack() as stack:
        work = await build(settings, stack)
        await probes.start()
        stack.push_async_callback(probes.stop)
        working = asyncio.ensure_future(work())
        stopped = asyncio.create_task(stop.wait())
        readiness.accept(True)
        _log.info("ready")
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        readiness.accept(False)
        if working.done():
            working.result()
        working.cancel()
        # Whoever waits for our lease need not wait long: it is let go on the way out.
        async with asyncio.timeout(settings.drain_timeout):
            await asyncio.gather(working, return_exceptions=True)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
