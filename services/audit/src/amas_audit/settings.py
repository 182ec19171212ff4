"""Settings of the audit service; the only reader of its environment. README.md has the table."""

from __future__ import annotations

from pathlib import Path

from amas_chassis.settings import (
    DatabaseSettings,
    ServiceSettings,
    SettingsError,
    settings_config,
    with_password,
)
from pydantic import Field, field_validator

from amas_audit.domain.contents import DEFAULT_RETENTION
from amas_audit.domain.retention import Retention
from amas_audit.domain.signed_note import check_key_name


class AuditSettings(ServiceSettings, DatabaseSettings):
    """Everything that the service can be told."""

    model_config = settings_config("AMAS_AUDIT_")

    signing_key_file: Path | None = Field(
        default=None,
        description="Ed25519 keys that sign checkpoints (PEM, PKCS #8), newest first; read again when it changed",
    )
    master_key_file: Path | None = Field(
        default=None,
        description="keys that wrap the keys of contents, newest first (32 bytes in base64, one a line), "
        "readable by their owner alone",
    )
    retention_days: dict[str, int | None] = Field(
        default={DEFAULT_RETENTION: None},
        description="retention classes as JSON: days that contents of each are kept, null for no end",
    )
    erasure_database_url: str = Field(
        default="", description="as DATABASE_URL, for the role that can only erase contents; empty: nothing is erased"
    )
    erasure_database_password_file: Path | None = Field(default=None, description="file with that role's password")
    erasure_interval: float = Field(
        default=3600.0, ge=1, le=86_400, description="seconds between two looks for contents whose class has ended"
    )
    origin: str = Field(default="amas.internal/audit", max_length=255, description="name of the log and of its key")
    start_timeout: float = Field(
        default=60.0, gt=0, le=600, description="seconds to wait at start for the database and its tables"
    )
    database_connections: int = Field(default=8, ge=2, le=64, description="most connections to the database")

    archive_dir: Path | None = Field(default=None, description="folder that `archive` writes closed partitions to")
    archive_location: str = Field(
        default="",
        max_length=255,
        description="what readers of dropped entries are told: where their archive is; `archive drop` needs it",
    )
    drop_after_days: int = Field(
        default=30, ge=0, le=36_500, description="days that `archive drop` leaves a partition that is full"
    )
    drop_database_url: str = Field(
        default="",
        description="as DATABASE_URL, for the role that can only drop archived partitions; only `archive drop`",
    )
    drop_database_password_file: Path | None = Field(default=None, description="file with that role's password")
    tlog_listen: str = Field(
        default="", description="where checkpoint, tiles and entries are served over HTTPS: host:port; empty: nowhere"
    )
    tlog_readers: str = Field(
        default="auditor",
        description="services whose client certificate lets them read entries of all tenants, separated by commas",
    )

    witnesses_file: Path | None = Field(
        default=None, description="witnesses that are asked to cosign, `URL KEY` a line; read at start"
    )
    witness_quorum: int = Field(
        default=1, ge=1, le=64, description="how many of them must have cosigned a checkpoint before it is shown"
    )

    def erasure_dsn(self) -> str:
        """The URL that contents are erased with, password included; "" if there is none. Never log it."""
        if not self.erasure_database_url:
            if any(days is not None for days in self.retention_days.values()):
                raise SettingsError(
                    "AMAS_AUDIT_ERASURE_DATABASE_URL is not set, and AMAS_AUDIT_RETENTION_DAYS has classes that end"
                )
            return ""
        return with_password(
            self.erasure_database_url, self.erasure_database_password_file, "AMAS_AUDIT_ERASURE_DATABASE_URL"
        )

    def drop_dsn(self) -> str:
        """The URL that partitions are dropped with, password included. Never log it. SettingsError if there is none."""
        if not self.drop_database_url:
            raise SettingsError(
                "AMAS_AUDIT_DROP_DATABASE_URL is not set, and partitions are dropped by a role of its own"
            )
        if not self.archive_location.isprintable() or not self.archive_location.strip():
            raise SettingsError(
                "AMAS_AUDIT_ARCHIVE_LOCATION is not set: readers of what is dropped must be told where the archive is"
            )
        return with_password(self.drop_database_url, self.drop_database_password_file, "AMAS_AUDIT_DROP_DATABASE_URL")

    @field_validator("origin")
    @classmethod
    def _names_a_key(cls, origin: str) -> str:
        check_key_name(origin)
        return origin

    def entry_readers(self) -> frozenset[str]:
        """The names in `tlog_readers`."""
        return frozenset(name.strip() for name in self.tlog_readers.split(",") if name.strip())

    @field_validator("retention_days")
    @classmethod
    def _are_classes(cls, days: dict[str, int | None]) -> dict[str, int | None]:
        Retention(days)
        return days
