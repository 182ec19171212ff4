"""Credentials of tool servers: read from files when a session begins, injected at the edge, masked in what comes back.

They never reach a model, an event, a log or an error text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amas_governance.resources import ToolServer

from amas_policy_sidecar.domain.errors import ToolFailed

# Longest credential, in bytes: more is another file than was meant.
MAX_CREDENTIAL = 64 * 1024
# Shorter values would be masked everywhere by chance.
_MIN_MASKED = 4
_MASK = "[redacted:credential]"


@dataclass(frozen=True)
class Credentials:
    """What one server gets. The values never show in a repr."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def mask(self, text: str) -> str:
        """The text without any of the values."""
        for secret in self.secrets:
            text = text.replace(secret, _MASK)
        return text

    def mask_value(self, value: Any) -> Any:
        """The JSON value without any of the values in its strings."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(str(key)): self.mask_value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.mask_value(item) for item in value]
        return value


def read_credentials(server: ToolServer, folder: Path | None) -> Credentials:
    """The credentials that the server names; raises ToolFailed, without a path of ours, if one cannot be read."""
    environment: dict[str, str] = {}
    headers: dict[str, str] = {}
    secrets: list[str] = []
    for credential in server.spec.credentials:
        value = _read(folder, credential.file)
        if credential.env is not None:
            environment[credential.env] = value
        elif credential.header is not None:
            headers[credential.header] = value
        else:
            # Neither is said: a variable named like the file.
            environment[credential.file.upper().replace("-", "_").replace(".", "_")] = value
        # `Bearer <token>`: the token alone is as secret as the whole.
        for secret in {value, value.split()[-1]}:
            if len(secret) >= _MIN_MASKED:
                secrets += [secret, json.dumps(secret)[1:-1]]
    # Longest first, so that one that holds another goes as a whole.
    return Credentials(environment, headers, tuple(sorted(set(secrets), key=len, reverse=True)))


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
