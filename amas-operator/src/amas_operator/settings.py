"""Settings of the operator; the only reader of its environment. README.md has the table."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal, Self

from amas_chassis.settings import EnvironmentSettings, SettingsError, settings_config
from pydantic import Field, model_validator

_NAMESPACE_OF_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class OperatorSettings(EnvironmentSettings):
    """Everything that the operator can be told."""

    model_config = settings_config("AMAS_OPERATOR_")

    http_listen: str = Field(description="where health and metrics listen: host:port")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="lowest level logged")
    otlp_endpoint: str = Field(default="", description="OTLP/gRPC endpoint of a collector; empty: no export")
    drain_timeout: float = Field(default=20.0, gt=0, le=3600, description="seconds that stopping may take")

    gateway_url: str = Field(
        pattern=r"^https?://[^\s/?#@]+/?$", description="the gateway's public HTTP: http(s)://host:port"
    )
    namespace: str = Field(default="", max_length=63, description="whose custom resources; empty: the pod's own")
    kubeconfig_file: Path | None = Field(
        default=None, description="access to the API server from outside a cluster; absent: the pod's service account"
    )
    token_file: Path | None = Field(
        default=None, description="access token for the gateway, read at each request: somebody else renews it"
    )
    issuer: str = Field(default="", description="issuer of access tokens (RFC 8414), instead of TOKEN_FILE")
    audience: str = Field(default="amas", min_length=1, description="audience that a token of the issuer is for")
    client_id: str = Field(default="", max_length=255, description="our client at the issuer")
    client_secret_file: Path | None = Field(default=None, description="file with the client's secret")
    identity: str = Field(
        default_factory=socket.gethostname, min_length=1, max_length=255, description="our name in the Lease"
    )
    lease_name: str = Field(
        default="amas-operator", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="the Lease of who works"
    )
    lease_seconds: int = Field(
        default=15, ge=6, le=300, description="after which another takes over from one that does not renew"
    )
    resync_seconds: float = Field(default=300.0, ge=1, le=86_400, description="between two rounds when nothing changes")

    runs_mirrored: int = Field(default=100, ge=0, le=1000, description="newest runs shown as Runs; 0: none")
    runs_seconds: float = Field(default=5.0, ge=1, le=3600, description="between two looks at the newest runs")

    @model_validator(mode="after")
    def _one_way_to_a_token(self) -> Self:
        client = (self.issuer, self.client_id, self.client_secret_file)
        if (self.token_file is not None) == any(client) or (any(client) and not all(client)):
            raise ValueError(
                "expected either AMAS_OPERATOR_TOKEN_FILE, or all of AMAS_OPERATOR_ISSUER, AMAS_OPERATOR_CLIENT_ID "
                "and AMAS_OPERATOR_CLIENT_SECRET_FILE"
            )
        return self

    def own_namespace(self) -> str:
        """The namespace to work on; SettingsError outside a pod if none is named."""
        if self.namespace:
            return self.namespace
        try:
            return _NAMESPACE_OF_POD.read_text(encoding="utf-8").strip()
        except OSError:
            raise SettingsError("AMAS_OPERATOR_NAMESPACE is not set, and this is no pod") from None
