"""A platform of the demo's own: in a temporary folder, on free ports, and gone afterwards whatever happens."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from amas_cli.errors import CliError
from amas_cli.local.home import TRAVERSABLE_FOLDER, Home
from amas_cli.local.options import MODEL_VARIABLES, UpOptions
from amas_cli.local.starter import delete_state, start_detached, stop
from amas_cli.output.terminal import line

PART_WIDTH = 22


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A state folder outside any repository, which AMAS_HOME names meanwhile, as for any `amas` command."""
    root = Path(tempfile.mkdtemp(prefix="amas-demo-"))
    if os.geteuid() == 0:
        # The unprivileged Postgres must get through.
        root.chmod(TRAVERSABLE_FOLDER)
    home = Home(root / "home")
    before = os.environ.get("AMAS_HOME")
    os.environ["AMAS_HOME"] = str(home.root)
    try:
        home.create()
        yield home
    finally:
        delete_state(home)
        shutil.rmtree(root, ignore_errors=True)
        os.environ.pop("AMAS_HOME")
        if before is not None:
            os.environ["AMAS_HOME"] = before


@contextmanager
def platform(home: Home, *, model: str = "") -> Iterator[None]:
    """The platform while the block runs. Afterwards nothing of it runs, which is checked.

    `model` is one of the scripted provider's; without it the user's environment names one.
    """
    named = {name: os.environ[name] for name in MODEL_VARIABLES if os.environ.get(name)}
    options = UpOptions(port_base=0, model_environment={"AMAS_MODEL": model} if model else named)
    try:
        ready = start_detached(
            home, options, lambda part: line(f"  {part.part:<{PART_WIDTH}} {part.seconds:4.1f} s"), tied=True
        )
        line(f"  everything ready in {ready.seconds:.1f} s", "good")
        yield
    finally:
        tear_down(home)


def tear_down(home: Home) -> None:
    """Stop everything, undisturbed by a second Ctrl-C, which could leave something behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        line()
        line("stopping")
        stop(home)
        left = leftovers(home)
        if left:
            raise CliError(f"These processes of the demo still run: {', '.join(left)}.")
        line("  nothing of it runs any more")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leftovers(home: Home) -> list[str]:
    """Processes that name the demo's folder or work in it: pid and name."""
    place = str(home.root)
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(place in argument for argument in process.cmdline()) or process.cwd().startswith(place):
                found.append(f"{process.pid} ({process.name()})")
        except psutil.Error:
            continue
    return found
