"""The settings of the policy-sidecar: the only place that reads its environment. README.md documents each."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from amas_chassis.settings import RedisSettings, ServiceSettings, settings_config
from amas_governance.dlp.pseudonyms import MIN_SECRET
from pydantic import Field

PREFIX = "AMAS_POLICY_SIDECAR_"
# All that a tool server sees of our own environment.
_INHERITED = ("HOME", "LANG")
# Users that tool servers run as, and the last one that a Unix knows.
USERS = 65_536
MAX_USER = 2**32 - 2


class Settings(RedisSettings, ServiceSettings):
    """What the policy-sidecar needs besides what every service needs."""

    model_config = settings_config(PREFIX)

    audit_target: str = Field(description="gRPC target of the audit service")
    opa_url: str = Field(default="", description="URL of an OPA beside the sidecar; empty: the embedded engine")
    tools_workdir: Path = Field(description="working directory of the tool servers that the sidecar starts")
    pseudonym_secret_file: Path | None = Field(
        default=None, description="file with the secret of all pseudonyms, 32 bytes or more; empty: redaction instead"
    )
    credentials_dir: Path | None = Field(default=None, description="folder with the files that ToolServers name")
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
