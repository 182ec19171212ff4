"""Starts the scripted provider: `python -m amas_cli.local.scripted_model --listen 127.0.0.1:PORT`."""

import argparse
import sys

import uvicorn

from .app import ScriptedProvider

# A graceful stop waits this long for answers in flight, in seconds.
STOP_TIMEOUT_SECONDS = 2


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host, int(port)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line; argparse exits with 2 and a sentence where it is wrong."""
    parser = argparse.ArgumentParser(prog="scripted_model", description=__doc__)
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="delay before each answer")
    parser.add_argument("--slow-seconds", type=float, default=30.0, help="delay before the answers of scripted-slow")
    return parser.parse_args(arguments)


def main() -> int:
    """Serves until SIGTERM or SIGINT."""
    options = parse_arguments(sys.argv[1:])
    host, port = options.listen
    uvicorn.run(
        ScriptedProvider(latency=options.latency_ms / 1000, slow=options.slow_seconds),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_TIMEOUT_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
