"""Which gateway and which principal a command means: the option, the environment, the local platform, then the file.

Kept in the state folder of the local platform if there is one, else in `~/.config/amas`; mode 0600.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import CliError
from .exit_codes import ExitCode
from .local.home import PRIVATE_FOLDER, Home, write_private
from .local.ports import DEFAULT_PORT_BASE, LOOPBACK
from .local.state import load_state

DEFAULT_SERVER = f"http://{LOOPBACK}:{DEFAULT_PORT_BASE}"


@dataclass(frozen=True)
class Context:
    """What `amas login` remembers."""

    server: str = ""
    principal: str = ""


def folder() -> Path:
    """Where contexts and tokens are kept."""
    home = Home.from_environment()
    if os.environ.get("AMAS_HOME") or home.state.exists():
        return home.root
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "amas"


def load_context() -> Context:
    """The remembered one; empty if there is none."""
    try:
        raw = json.loads((folder() / "context.json").read_text())
        return Context(server=str(raw.get("server", "")), principal=str(raw.get("principal", "")))
    except (OSError, ValueError, AttributeError):
        return Context()


def save_context(context: Context) -> None:
    """Remember it."""
    folder().mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    write_private(folder() / "context.json", json.dumps(asdict(context)))


def resolve_server(option: str) -> str:
    """The gateway's URL without a slash at the end."""
    state = load_state(Home.from_environment())
    local = f"http://{LOOPBACK}:{state.public_ports['http']}" if state and "http" in state.public_ports else ""
    server = option or os.environ.get("AMAS_SERVER", "") or load_context().server or local or DEFAULT_SERVER
    if not server.startswith(("http://", "https://")):
        raise CliError(
            f"--server {server!r} must start with http:// or https://.",
            exit_code=ExitCode.USAGE,
        )
    return server.rstrip("/")


def resolve_principal(option: str) -> str:
    """Who asks; raises CliError when nobody was named and nobody is logged in."""
    principal = option or os.environ.get("AMAS_PRINCIPAL", "") or load_context().principal
    if not principal:
        raise CliError(
            "Nobody is logged in.",
            next_step="run `amas login --as developer`, or name a principal with --as",
            exit_code=ExitCode.NOT_ALLOWED,
        )
    return principal
