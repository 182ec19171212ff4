"""The gateway's settings, and the only place that reads its environment (prefix AMAS_GATEWAY_)."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from amas_chassis.settings import RedisSettings, ServiceSettings, settings_config
from pydantic import Field, field_validator, model_validator

from amas_gateway.domain.limits import Rate, RouteClass
from amas_gateway.domain.token_rules import MAX_LEEWAY_SECONDS
from amas_gateway.usecases.admit_request import Rates


class GatewaySettings(ServiceSettings, RedisSettings):
    """What the gateway needs besides what every service needs."""

    model_config = settings_config("AMAS_GATEWAY_")

    public_http_listen: str = Field(description="where REST and the OpenAI API listen: host:port")
    public_grpc_listen: str = Field(description="where the public gRPC API listens: host:port")
    public_tls_cert_file: Path | None = Field(
        default=None, description="certificate chain of the public listeners (PEM)"
    )
    public_tls_key_file: Path | None = Field(default=None, description="that certificate's private key (PEM)")
    public_plaintext: bool = Field(
        default=False, description="allow public listeners without TLS beyond loopback, behind a proxy that ends TLS"
    )
    orchestrator_target: str = Field(description="gRPC target of the orchestrator")
    ai_router_target: str = Field(description="gRPC target of the ai-router")
    audit_target: str = Field(description="gRPC target of the audit service")
    oidc_issuer: str = Field(description="issuer whose tokens are taken: https, or http on loopback")
    oidc_audience: str = Field(default="amas", min_length=1, description="audience that a token must name")
    oidc_leeway: float = Field(
        default=5.0, ge=0, le=MAX_LEEWAY_SECONDS, description="clock skew that is forgiven, in seconds"
    )
    oidc_refetch_interval: float = Field(
        default=2.0, ge=0.1, le=300, description="least seconds between fetches that unknown key ids ask for"
    )
    max_body_bytes: int = Field(
        default=4_194_304, ge=1024, le=16_777_216, description="largest request body or gRPC message, in bytes"
    )
    hold_seconds: float = Field(
        default=0.0, ge=0, le=600, description="how long a request waits while no orchestrator answers; 0: not at all"
    )
    hold_requests: int = Field(
        default=256,
        ge=1,
        le=10_000,
        description="requests that may wait so at once, their bodies in memory; half of them at most are one tenant's",
    )
    limits_without_redis: Literal["local", "refuse"] = Field(
        default="local", description="while Redis is away: `local` limits each gateway alone, `refuse` answers 503"
    )
    limit_read_tenant: str = Field(default="200/s,burst=400", description="reads of a tenant")
    limit_read_principal: str = Field(default="50/s,burst=100", description="reads of a principal")
    limit_write_tenant: str = Field(default="100/s,burst=200", description="writes of a tenant")
    limit_write_principal: str = Field(default="50/s,burst=100", description="writes of a principal")
    limit_model_tenant: str = Field(default="200/s,burst=400", description="model calls of a tenant")
    limit_model_principal: str = Field(default="50/s,burst=100", description="model calls of a principal")

    @field_validator(
        "limit_read_tenant",
        "limit_read_principal",
        "limit_write_tenant",
        "limit_write_principal",
        "limit_model_tenant",
        "limit_model_principal",
    )
    @classmethod
    def _is_rate(cls, value: str) -> str:
        Rate.parse(value)
        return value

    @model_validator(mode="after")
    def _no_plaintext_tokens(self) -> GatewaySettings:
        if (self.public_tls_cert_file is None) != (self.public_tls_key_file is None):
            raise ValueError("PUBLIC_TLS_CERT_FILE and PUBLIC_TLS_KEY_FILE are set together or not at all")
        if self.public_tls_cert_file is None and not self.public_plaintext:
            for listen in (self.public_http_listen, self.public_grpc_listen):
                if not _is_loopback(listen):
                    raise ValueError(
                        f"{listen} is not loopback: tokens would cross the network in plaintext; "
                        "set PUBLIC_TLS_CERT_FILE and PUBLIC_TLS_KEY_FILE, or PUBLIC_PLAINTEXT behind a proxy"
                    )
        return self

    def rates(self) -> dict[RouteClass, Rates]:
        """The rates of each route class."""
        return {
            RouteClass.READ: Rates(Rate.parse(self.limit_read_tenant), Rate.parse(self.limit_read_principal)),
            RouteClass.WRITE: Rates(Rate.parse(self.limit_write_tenant), Rate.parse(self.limit_write_principal)),
            RouteClass.MODEL: Rates(Rate.parse(self.limit_model_tenant), Rate.parse(self.limit_model_principal)),
        }


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
