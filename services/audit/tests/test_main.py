from __future__ import annotations

from pathlib import Path

import pytest
from amas_audit.__main__ import run

from .processes import write_signing_key
from .test_settings import REQUIRED


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What the process needs to be told, without the owner's role."""
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"AMAS_AUDIT_{name.upper()}", value)
    return monkeypatch


def test_a_mistyped_command_serves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """I11: a slip is not taken for a wish to serve."""
    assert run(["migrat"]) == 64
    assert "usage:" in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
def test_migrating_without_the_owners_role_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """I11: the variable that is missing is named."""
    assert run(["migrate"]) == 2
    assert capsys.readouterr().err == "AMAS_AUDIT_MIGRATION_DATABASE_URL is not set, and migrations need it\n"


def test_migrating_a_database_that_is_away_is_a_sentence(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """I11: no stack trace, no password."""
    password = tmp_path / "password"
    password.write_text("hush")
    environment.setenv("AMAS_AUDIT_MIGRATION_DATABASE_URL", "postgresql://amas_audit_owner@127.0.0.1:1/amas")
    environment.setenv("AMAS_AUDIT_MIGRATION_DATABASE_PASSWORD_FILE", str(password))
    assert run(["migrate"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("the schema audit could not be migrated:")
    assert "hush" not in said


@pytest.mark.usefixtures("environment")
def test_archiving_without_a_folder_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """I11: the variable that is missing is named."""
    for command in (["archive"], ["archive", "check"], ["archive", "drop"]):
        assert run(command) == 2
        assert "AMAS_AUDIT_ARCHIVE_DIR is not set" in capsys.readouterr().err


def test_dropping_without_a_role_or_a_place_is_a_sentence(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """I11: the variable that is missing is named, and the service's own role is never taken instead."""
    environment.setenv("AMAS_AUDIT_ARCHIVE_DIR", str(tmp_path))
    environment.setenv("AMAS_AUDIT_SIGNING_KEY_FILE", str(write_signing_key(tmp_path / "key.pem")))
    assert run(["archive", "drop"]) == 2
    assert "AMAS_AUDIT_DROP_DATABASE_URL is not set" in capsys.readouterr().err
    environment.setenv("AMAS_AUDIT_DROP_DATABASE_URL", "postgresql://amas_audit_dropper@127.0.0.1:1/amas")
    assert run(["archive", "drop"]) == 2
    assert "AMAS_AUDIT_ARCHIVE_LOCATION is not set" in capsys.readouterr().err
    assert run(["archive", "dorp"]) == 64
