"""The settings that every service has, read from the environment alone.

A bad or missing value gives one sentence that names the variable. Secrets are never in the environment: settings
name the files that hold them, and messages never repeat a value.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from .tls import TlsFiles

__all__ = [
    "EXIT_SETTINGS",
    "DatabaseSettings",
    "EnvironmentSettings",
    "RedisSettings",
    "ServiceSettings",
    "SettingsError",
    "load",
    "settings_config",
]

# What a process ends with when its settings are wrong, so that a supervisor can tell it from a crash.
EXIT_SETTINGS = 2

_SettingsT = TypeVar("_SettingsT", bound="EnvironmentSettings")


class SettingsError(Exception):
    """Settings that a process cannot start with; the text names each variable and what is wrong with it."""


def settings_config(prefix: str) -> SettingsConfigDict:
    """The model_config of a service's settings: variables begin with `prefix`, values never change."""
    return SettingsConfigDict(env_prefix=prefix, frozen=True, extra="ignore", env_ignore_empty=True)


class EnvironmentSettings(BaseSettings):
    """Settings of a process: read from the environment, wrong ones told in one sentence."""

    model_config = settings_config("")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(_explain(type(self), error)) from None
        except SourceError as error:
            raise SettingsError(str(error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment only (and arguments, for tests): a stray .env file must not change a production service."""
        return (init_settings, env_settings)


class ServiceSettings(EnvironmentSettings):
    """What every service needs to listen, to prove who it is and to be watched."""

    grpc_listen: str = Field(description="where gRPC listens: host:port or unix:/path")
    http_listen: str = Field(description="where health and metrics listen: host:port")
    tls_cert_file: Path = Field(description="the service's certificate chain (PEM)")
    tls_key_file: Path = Field(description="the certificate's private key (PEM)")
    tls_ca_file: Path = Field(description="the authority that peers' certificates must come from (PEM)")
    trust_domain: str = Field(default="amas.internal", min_length=1, description="SPIFFE trust domain of all peers")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="lowest level logged")
    otlp_endpoint: str = Field(default="", description="OTLP/gRPC endpoint of a collector; empty: no export")
    connection_age: float = Field(
        default=60.0, ge=1, le=86_400, description="seconds after which a peer connects anew, and finds new replicas"
    )
    drain_timeout: float = Field(default=20.0, gt=0, le=3600, description="seconds that a drain may take")

    def tls_files(self) -> TlsFiles:
        """The files of this service's identity; SettingsError if they cannot be read or do not fit together."""
        files = TlsFiles(cert=self.tls_cert_file, key=self.tls_key_file, ca=self.tls_ca_file)
        try:
            files.read()
        except (OSError, ValueError) as error:
            variables = " / ".join(_variable(self, f"tls_{name}_file") for name in ("cert", "key", "ca"))
            raise SettingsError(f"{variables}: {error}") from None
        return files


class DatabaseSettings(BaseModel):
    """Mixin for a service with a Postgres database: one role to serve, another to migrate."""

    database_url: str = Field(description="postgresql://role@host:port/database, without a password")
    database_password_file: Path | None = Field(default=None, description="file with that role's password")
    migration_database_url: str = Field(default="", description="the same, for the role that owns the tables")
    migration_database_password_file: Path | None = Field(default=None, description="file with the owner's password")

    def service_dsn(self) -> str:
        """The URL that the service connects with, password included; never log it."""
        return with_password(self.database_url, self.database_password_file, _variable(self, "database_url"))

    def owner_dsn(self) -> str:
        """The URL that migrations connect with, password included; never log it."""
        variable = _variable(self, "migration_database_url")
        if not self.migration_database_url:
            raise SettingsError(f"{variable} is not set, and migrations need it")
        return with_password(self.migration_database_url, self.migration_database_password_file, variable)


class RedisSettings(BaseModel):
    """Mixin for a service that uses Redis."""

    redis_url: str = Field(description="redis://host:port/database, without a password")
    redis_password_file: Path | None = Field(default=None, description="file with the password")

    def redis_dsn(self) -> str:
        """The URL to connect with, password included; never log it."""
        return with_password(self.redis_url, self.redis_password_file, _variable(self, "redis_url"))


def load(settings_class: type[_SettingsT]) -> _SettingsT:
    """The settings of this process; if they are wrong, one message on stderr and exit code 2, without a traceback."""
    try:
        return settings_class()
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(EXIT_SETTINGS) from None


def read_secret(path: Path, variable: str) -> str:
    """The secret in `path` without the newline that editors add."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{variable}: the file {path} cannot be read: {problem}") from None


def with_password(url: str, password_file: Path | None, variable: str) -> str:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if ":" in user:
        raise SettingsError(f"{variable}: the password belongs in the file that {_file_of(variable)} names")
    if password_file is None:
        return url
    password = quote(read_secret(password_file, _file_of(variable)), safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


def _file_of(variable: str) -> str:
    return f"{variable.removesuffix('URL')}PASSWORD_FILE"


def _variable(settings: BaseModel, field: str) -> str:
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def _explain(settings_class: type[BaseSettings], error: ValidationError) -> str:
    prefix = settings_class.model_config.get("env_prefix", "")
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        info = settings_class.model_fields.get(field)
        meaning = f" ({info.description})" if info is not None and info.description else ""
        variable = f"{prefix}{field}".upper()
        if problem["type"] == "missing":
            lines.append(f"{variable} is not set{meaning}")
        else:
            lines.append(f"{variable}: {problem['msg']}{meaning}")
    return "\n".join(lines)
