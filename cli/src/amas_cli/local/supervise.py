"""The supervisor as a process of its own: options from standard input, events to an inherited pipe, a log file."""

import asyncio
import logging
import os
import sys

from .events import write_event
from .home import Home
from .options import UpOptions
from .supervisor import Supervisor


def main(event_descriptor: int) -> int:
    """Run until stopped. The state folder is that of AMAS_HOME, which the starter has set to an absolute path."""
    options = UpOptions.from_json(sys.stdin.readline())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.umask(0o077)
    with os.fdopen(event_descriptor, "w") as pipe:
        os.set_inheritable(event_descriptor, False)
        supervisor = Supervisor(Home.from_environment(), options, lambda event: write_event(pipe, event))
        return int(asyncio.run(supervisor.run()))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
