"""Settings of the ai-router; the only reader of its environment. README.md has the table."""

from __future__ import annotations

from pathlib import Path

from amas_chassis.settings import DatabaseSettings, RedisSettings, ServiceSettings, settings_config, with_password
from pydantic import Field


class RouterSettings(ServiceSettings, DatabaseSettings, RedisSettings):
    """Everything that the service can be told."""

    model_config = settings_config("AMAS_AI_ROUTER_")

    policy_target: str = Field(min_length=1, description="gRPC target of the policy-sidecar")
    audit_target: str = Field(min_length=1, description="gRPC target of the audit service")
    keys_dir: Path | None = Field(default=None, description="folder with the files that hold providers' keys")
    cache_redis_url: str = Field(
        default="", description="another Redis for caches alone, `redis://host:port/database`; empty: the same one"
    )
    cache_redis_password_file: Path | None = Field(default=None, description="file with its password")
    policy_timeout: float = Field(default=5.0, gt=0, le=60, description="seconds that a decision may take")
    audit_timeout: float = Field(default=5.0, gt=0, le=60, description="seconds that an append may take")
    connect_timeout: float = Field(default=2.0, gt=0, le=60, description="seconds to connect to a provider")
    max_response_bytes: int = Field(
        default=8 * 1024 * 1024, ge=1024, le=16 * 1024 * 1024, description="largest answer taken from a provider"
    )
    database_connections: int = Field(default=10, ge=1, le=100, description="most connections to the database")

    def cache_redis_dsn(self) -> str:
        """The URL of the caches' Redis, password included; never log it."""
        if not self.cache_redis_url:
            return self.redis_dsn()
        return with_password(self.cache_redis_url, self.cache_redis_password_file, "AMAS_AI_ROUTER_CACHE_REDIS_URL")
