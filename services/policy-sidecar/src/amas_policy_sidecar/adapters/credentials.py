"""Credentials of tool servers: read from files at each use, injected at the edge, masked in what comes back.

They never reach a model, an event, a log or an error text. A file that changes is a rotation: what is used next is the
new value, while the old one is masked as well for as long as the server is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amas_governance.resources import ToolServer

from amas_policy_sidecar.domain.errors import ToolFailed

from .credential_masks import CredentialMask

# Longest credential, in bytes: more is another file than was meant.
MAX_CREDENTIAL = 64 * 1024
# Values that are remembered to be masked, after so many rotations the oldest is forgotten.
MAX_REMEMBERED = 64


@dataclass(frozen=True)
class Credentials:
    """What one server gets. The values never show in a repr."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def environment_digest(self) -> str:
        """Differs as soon as a program would have to be started again to see the values."""
        return hashlib.sha256(json.dumps(dict(self.environment), sort_keys=True).encode()).hexdigest()


class CredentialFiles:
    """The credentials that one ToolServer names, as they are now."""

    def __init__(self, server: ToolServer, folder: Path | None) -> None:
        self._named = server.spec.credentials
        self._folder = folder
        self._known: dict[str, None] = {}
        self._mask = CredentialMask(())

    @property
    def mask(self) -> CredentialMask:
        """Hides every value that was ever read here."""
        return self._mask

    def read(self) -> Credentials:
        """The values now; raises ToolFailed, without a path of ours, if one cannot be read."""
        environment: dict[str, str] = {}
        headers: dict[str, str] = {}
        values: list[str] = []
        for credential in self._named:
            value = _read(self._folder, credential.file)
            values.append(value)
            if credential.env is not None:
                environment[credential.env] = value
            elif credential.header is not None:
                headers[credential.header] = value
            else:
                # Neither is said: a variable named like the file.
                environment[credential.file.upper().replace("-", "_").replace(".", "_")] = value
        self._remember(values)
        return Credentials(environment, headers)

    def _remember(self, values: list[str]) -> None:
        fresh = [value for value in values if value not in self._known]
        if not fresh:
            return
        self._known.update(dict.fromkeys(fresh))
        while len(self._known) > MAX_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._mask = CredentialMask(self._known)


def _read(folder: Path | None, name: str) -> str:
    problem = ToolFailed("TOOL_CREDENTIAL_MISSING", f"the credential {name} cannot be read", sent=False)
    if folder is None:
        raise problem
    try:
        with (folder / name).open("rb") as file:
            content = file.read(MAX_CREDENTIAL + 1)
        value = content.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise problem from error
    if len(content) > MAX_CREDENTIAL or not value.strip() or "\0" in value or "\n" in value:
        raise problem
    return value
