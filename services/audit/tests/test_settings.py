from __future__ import annotations

from pathlib import Path

import pytest
from amas_audit.settings import AuditSettings
from amas_chassis.settings import SettingsError
from pydantic_core import PydanticUndefined

README = Path(__file__).parents[1] / "README.md"
REQUIRED = {
    "grpc_listen": "127.0.0.1:0",
    "http_listen": "127.0.0.1:0",
    "tls_cert_file": "cert.pem",
    "tls_key_file": "key.pem",
    "tls_ca_file": "ca.pem",
    "database_url": "postgresql://amas_audit@127.0.0.1/amas",
}


def documented_start(name: str) -> str:
    """How README.md has to begin the row of a setting."""
    default = AuditSettings.model_fields[name].default
    shown = "required" if default is PydanticUndefined else "" if default in (None, "") else f"`{default}`"
    return f"| `{name.upper()}` | {shown} | "


def test_the_readme_has_every_setting_as_the_code_has_it() -> None:
    """What an operator reads is what the service does."""
    lines = README.read_text().splitlines()
    start = lines.index("| Variable | Default | Meaning |") + 2
    rows = lines[start : lines.index("", start)]
    for name, row in zip(AuditSettings.model_fields, rows, strict=True):
        assert row.startswith(documented_start(name))
        if name in AuditSettings.__annotations__:
            # The meaning of a setting of our own; those of all services are described where they are declared.
            assert row == f"{documented_start(name)}{AuditSettings.model_fields[name].description} |"


@pytest.mark.parametrize("origin", ["", "two words", "a+b"])
def test_an_origin_that_cannot_name_a_key_is_refused(origin: str) -> None:
    """It would make checkpoints that nobody can read."""
    with pytest.raises(SettingsError, match="AMAS_AUDIT_ORIGIN"):
        AuditSettings(**REQUIRED, origin=origin)  # type: ignore[arg-type]


def test_the_defaults_are_enough_beside_what_is_required() -> None:
    """A new setting has a default, or a deployment breaks."""
    settings = AuditSettings(**REQUIRED)  # type: ignore[arg-type]
    assert settings.origin == "amas.internal/audit"
    assert settings.signing_key_file is None
