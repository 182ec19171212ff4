"""The settings of the policy-sidecar: the only place that reads its environment. README.md documents each."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from amas_chassis.settings import RedisSettings, ServiceSettings, settings_config
from pydantic import Field

PREFIX = "AMAS_POLICY_SIDECAR_"
# All that a tool server sees of our own environment.
_INHERITED = ("HOME", "LANG")


class Settings(RedisSettings, ServiceSettings):
    """What the policy-sidecar needs besides what every service needs."""

    model_config = settings_config(PREFIX)

    audit_target: str = Field(description="gRPC target of the audit service")
    opa_url: str = Field(default="", description="URL of an OPA beside the sidecar; empty: the embedded engine")
    tools_workdir: Path = Field(description="working directory of the tool servers that the sidecar starts")
    credentials_dir: Path | None = Field(default=None, description="folder with the files that ToolServers name")

    def tool_environment(self) -> Mapping[str, str]:
        """The environment of a tool server before its credentials: PATH, HOME and LANG, nothing else.

        PATH begins with the folder of the interpreter, where installed MCP servers are.
        """
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        return {"PATH": path, **{name: os.environ[name] for name in _INHERITED if name in os.environ}}
