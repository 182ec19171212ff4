"""Settings: environment only, precise refusals, passwords from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pydantic
import pytest
from amas_chassis.settings import (
    DatabaseSettings,
    RedisSettings,
    ServiceSettings,
    SettingsError,
    load,
    settings_config,
)

Environment = Callable[..., dict[str, str]]


class Settings(ServiceSettings, DatabaseSettings, RedisSettings):
    """A service with both stores."""

    model_config = settings_config("AMAS_TEST_")


@pytest.fixture
def set_environment(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a service's variables into the environment."""

    def apply(**changes: str) -> None:
        stores = {"DATABASE_URL": "postgresql://app@db:5432/amas", "REDIS_URL": "redis://cache:6379/0"}
        for name, value in environment(**(stores | changes)).items():
            monkeypatch.setenv(name, value)

    return apply


def test_defaults_are_the_documented_ones(set_environment: Callable[..., None]) -> None:
    """What is not set has the value that the documentation states."""
    set_environment()
    settings = Settings()
    assert (settings.trust_domain, settings.log_level, settings.otlp_endpoint) == ("amas.internal", "info", "")
    assert settings.drain_timeout == 20.0
    assert settings.tls_files().cert == settings.tls_cert_file


def test_settings_never_change(set_environment: Callable[..., None]) -> None:
    """A running process keeps the settings that it started with."""
    set_environment()
    settings = Settings()
    with pytest.raises(pydantic.ValidationError):
        settings.log_level = "debug"


def test_every_wrong_variable_is_named_at_once(
    set_environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator sees all that is wrong in one go, by the variable's name, and no value is repeated."""
    set_environment(LOG_LEVEL="chatty-secret", DRAIN_TIMEOUT="-1")
    monkeypatch.delenv("AMAS_TEST_GRPC_LISTEN")
    with pytest.raises(SettingsError) as caught:
        Settings()
    text = str(caught.value)
    assert "AMAS_TEST_GRPC_LISTEN is not set (where gRPC listens" in text
    assert "AMAS_TEST_LOG_LEVEL: " in text
    assert "AMAS_TEST_DRAIN_TIMEOUT: " in text
    assert "chatty-secret" not in text


def test_load_leaves_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that cannot start says why on stderr and leaves with the code of wrong settings."""
    with pytest.raises(SystemExit) as caught:
        load(Settings)
    assert caught.value.code == 2
    assert "AMAS_TEST_DATABASE_URL is not set" in capsys.readouterr().err


def test_a_stray_env_file_changes_nothing(
    set_environment: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .env in the working directory is not read."""
    set_environment()
    (tmp_path / ".env").write_text("AMAS_TEST_LOG_LEVEL=debug\n")
    monkeypatch.chdir(tmp_path)
    assert Settings().log_level == "info"


def test_passwords_come_from_files_and_are_quoted(set_environment: Callable[..., None], tmp_path: Path) -> None:
    """Any password works in a URL, and the newline that an editor adds is not part of it."""
    password = tmp_path / "password"
    password.write_text("p@ss/w:rd%\n")
    set_environment(DATABASE_PASSWORD_FILE=str(password), REDIS_PASSWORD_FILE=str(password))
    settings = Settings()
    assert settings.service_dsn() == "postgresql://app:p%40ss%2Fw%3Ard%25@db:5432/amas"
    assert urlsplit(settings.redis_dsn()).hostname == "cache"
    assert "p@ss" not in repr(settings)


def test_a_password_in_the_environment_is_refused(set_environment: Callable[..., None]) -> None:
    """A URL with a password inside is refused, with the variable that should name the file instead."""
    set_environment(DATABASE_URL="postgresql://app:hunter2@db/amas")
    with pytest.raises(SettingsError, match="AMAS_TEST_DATABASE_PASSWORD_FILE") as caught:
        Settings().service_dsn()
    assert "hunter2" not in str(caught.value)


def test_a_password_file_that_is_missing_is_named(set_environment: Callable[..., None], tmp_path: Path) -> None:
    """The variable and the path are in the message."""
    set_environment(DATABASE_PASSWORD_FILE=str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match=r"AMAS_TEST_DATABASE_PASSWORD_FILE.*gone"):
        Settings().service_dsn()


def test_migrations_need_the_owner(set_environment: Callable[..., None]) -> None:
    """Without the owner's URL a migration says which variable is missing."""
    set_environment()
    with pytest.raises(SettingsError, match="AMAS_TEST_MIGRATION_DATABASE_URL is not set"):
        Settings().owner_dsn()
    set_environment(MIGRATION_DATABASE_URL="postgresql://owner@db/amas")
    assert Settings().owner_dsn() == "postgresql://owner@db/amas"


def test_certificates_that_do_not_fit_are_named(set_environment: Callable[..., None], tmp_path: Path) -> None:
    """A wrong or missing certificate file is a matter of settings, said in one sentence."""
    set_environment(TLS_KEY_FILE=str(tmp_path / "gone.key"))
    with pytest.raises(SettingsError, match=r"AMAS_TEST_TLS_KEY_FILE.*gone\.key"):
        Settings().tls_files()
