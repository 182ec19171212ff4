"""The settings of the policy-sidecar: the only place that reads its environment. README.md documents each."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from amas_chassis.settings import RedisSettings, ServiceSettings, SettingsError, settings_config
from amas_governance.dlp.pseudonyms import MIN_SECRET
from pydantic import Field

PREFIX = "AMAS_POLICY_SIDECAR_"
# All that a tool server sees of our own environment.
_INHERITED = ("HOME", "LANG")
# Users that tool servers run as, and the last one that a Unix knows.
USERS = 65_536
MAX_USER = 2**32 - 2
# The API for OPA is plain HTTP, so it never leaves the pod.
_LOOPBACK = ("127.0.0.1", "[::1]")


@dataclass(frozen=True)
class OpaSettings:
    """The settings of an OPA beside the sidecar, complete."""

    socket: Path
    api_listen: str
    token_file: Path
    signing_key_file: Path
    signing_key_id: str


class Settings(RedisSettings, ServiceSettings):
    """What the policy-sidecar needs besides what every service needs."""

    model_config = settings_config(PREFIX)

    audit_target: str = Field(description="gRPC target of the audit service")
    opa_socket: Path | None = Field(default=None, description="Unix socket of OPA; empty: the embedded engine")
    opa_api_listen: str = Field(default="127.0.0.1:8182", description="where OPA fetches bundles and reports")
    opa_token_file: Path | None = Field(default=None, description="file with the token that OPA proves itself with")
    opa_signing_key_file: Path | None = Field(default=None, description="key (PEM) that signs OPA's bundles")
    opa_signing_key_id: str = Field(default="amas", min_length=1, description="what OPA knows its public half by")
    tools_workdir: Path = Field(description="working directory of the tool servers that the sidecar starts")
    pseudonym_secret_file: Path | None = Field(
        default=None, description="file with the secret of all pseudonyms, 32 bytes or more; empty: redaction instead"
    )
    credentials_dir: Path | None = Field(default=None, description="folder with the files that ToolServers name")
    compiled_dir: Path | None = Field(
        default=None, description="folder of this user where compiled detectors are kept; empty: compiled at each start"
    )
    sandbox: Literal["required", "best-effort"] = Field(
        default="required", description="what happens where tool servers cannot be isolated"
    )
    sandbox_first_user: Annotated[int, Field(ge=1, le=MAX_USER - USERS)] = Field(
        default=1_879_048_192, description="first of the 65,536 users of tool servers, if the sidecar is root"
    )
    tool_programs: str = Field(default="", description="folders, separated by `:`, that every tool server may read")

    def program_folders(self) -> tuple[Path, ...]:
        """The folders of `tool_programs`."""
        return tuple(Path(name) for name in self.tool_programs.split(os.pathsep) if name)

    def hidden_folders(self) -> tuple[Path, ...]:
        """Folders with what is ours alone, that no tool server may see."""
        ours = (self.opa_socket, self.opa_token_file, self.opa_signing_key_file, self.pseudonym_secret_file)
        files = (self.tls_key_file, *ours)
        folders = (self.credentials_dir, self.compiled_dir, *(file.parent for file in files if file is not None))
        return tuple(folder for folder in folders if folder is not None)

    def opa(self) -> OpaSettings | None:
        """How to work with the OPA beside us, or None for the embedded engine; SettingsError if that cannot work."""
        if self.opa_socket is None:
            return None
        host, _, port = self.opa_api_listen.rpartition(":")
        if host not in _LOOPBACK or not port.isdigit():
            raise SettingsError(f"{PREFIX}OPA_API_LISTEN: it is no port of loopback, such as 127.0.0.1:8182")
        token = _readable(self.opa_token_file, "OPA_TOKEN_FILE")
        if not token.read_bytes().strip():
            raise SettingsError(f"{PREFIX}OPA_TOKEN_FILE: the file {token} is empty")
        key = _readable(self.opa_signing_key_file, "OPA_SIGNING_KEY_FILE")
        return OpaSettings(self.opa_socket, self.opa_api_listen, token, key, self.opa_signing_key_id)

    def tool_environment(self) -> Mapping[str, str]:
        """The environment of a tool server before its credentials: PATH, HOME and LANG, nothing else.

        PATH begins with the folder of the interpreter, where installed MCP servers are.
        """
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        return {"PATH": path, **{name: os.environ[name] for name in _INHERITED if name in os.environ}}

    def pseudonym_secret(self) -> bytes | None:
        """The secret that pseudonyms derive from; raises ValueError for one that is too short, OSError for no file."""
        if self.pseudonym_secret_file is None:
            return None
        secret = self.pseudonym_secret_file.read_bytes().strip()
        if len(secret) < MIN_SECRET:
            raise ValueError(f"{PREFIX}PSEUDONYM_SECRET_FILE holds fewer than {MIN_SECRET} bytes")
        return secret


def _readable(path: Path | None, name: str) -> Path:
    if path is None:
        raise SettingsError(f"{PREFIX}{name} is not set, and {PREFIX}OPA_SOCKET needs it")
    try:
        path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{PREFIX}{name}: the file {path} cannot be read: {error.strerror}") from None
    return path
