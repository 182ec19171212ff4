"""The commands and values of a README, as its reader copies them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

COMMAND_TIMEOUT_S = 480.0
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_EMPTY = re.compile(r"^\s*(#.*)?$")


class Readme:
    """A README's blocks, by the heading of the section that they stand in."""

    def __init__(self, path: Path) -> None:
        self._sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", path.read_text(), re.MULTILINE | re.DOTALL))

    def commands(self, section: str) -> list[str]:
        """Lines of the section's shell blocks, whole ones and without comments."""
        text = "\n".join(self._blocks(section, "sh")).replace("\\\n", " ")
        lines = (re.sub(r"\s+# .*$", "", line).strip() for line in text.splitlines())
        return [line for line in lines if not _EMPTY.match(line)]

    def values(self, section: str) -> dict[str, Any]:
        """The section's only block of YAML."""
        (block,) = self._blocks(section, "yaml")
        return dict(yaml.safe_load(block))

    def _blocks(self, section: str, language: str) -> list[str]:
        return [body for kind, body in _BLOCK.findall(self._sections[section]) if kind == language]


class Reader:
    """Somebody who copies commands into a shell, with the places of an example replaced by those of a cluster."""

    def __init__(self, folder: Path, places: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._places = places
        self._environment = dict(environment)

    def line(self, commands: list[str], begin: str) -> str:
        """The only command that begins so, with the cluster's places."""
        (found,) = [one for one in commands if one.startswith(begin)]
        for name, place in self._places.items():
            found = found.replace(name, place)
        return found

    def run(self, commands: list[str], begin: str) -> str:
        """Runs that command and answers its output.

        Raises:
            AssertionError: it failed; the message is what it printed.
        """
        line = self.line(commands, begin)
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stderr.strip() or done.stdout.strip()}"
        print(f"  $ {line}", flush=True)
        return done.stdout

    def begin(self, commands: list[str], begin: str) -> subprocess.Popen[bytes]:
        """Begins a command that goes on in the background, in a process group of its own."""
        line = self.line(commands, begin).removesuffix("&").strip()
        print(f"  $ {line} &", flush=True)
        return subprocess.Popen(
            ["/bin/bash", "-c", line],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
