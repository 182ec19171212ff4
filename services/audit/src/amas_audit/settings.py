"""Settings of the audit service; the only reader of its environment. README.md has the table."""

from __future__ import annotations

from pathlib import Path

from amas_chassis.settings import DatabaseSettings, ServiceSettings, settings_config
from pydantic import Field, field_validator

from amas_audit.domain.signed_note import check_key_name


class AuditSettings(ServiceSettings, DatabaseSettings):
    """Everything that the service can be told."""

    model_config = settings_config("AMAS_AUDIT_")

    signing_key_file: Path | None = Field(
        default=None,
        description="Ed25519 private key that signs checkpoints (PEM, PKCS #8), readable by its owner alone",
    )
    origin: str = Field(default="amas.internal/audit", max_length=255, description="name of the log and of its key")
    start_timeout: float = Field(
        default=60.0, gt=0, le=600, description="seconds to wait at start for the database and its tables"
    )
    database_connections: int = Field(default=8, ge=2, le=64, description="most connections to the database")

    @field_validator("origin")
    @classmethod
    def _names_a_key(cls, origin: str) -> str:
        check_key_name(origin)
        return origin
