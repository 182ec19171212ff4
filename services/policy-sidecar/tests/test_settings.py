"""What is documented is what holds, and only settings read the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from amas_chassis.settings import SettingsError
from amas_policy_sidecar import bootstrap
from amas_policy_sidecar.settings import PREFIX, Settings

MEMBER = Path(__file__).parents[1]
README = (MEMBER / "README.md").read_text()


def documented() -> dict[str, str]:
    """Variable and default of each row of the README's table."""
    rows = [line.split("|") for line in README.splitlines() if line.startswith(f"| `{PREFIX}")]
    return {row[1].strip(" `"): row[2].strip(" `") for row in rows}


def shown(value: object) -> str:
    """A default as the table writes it."""
    return "(empty)" if value in ("", None) else str(value)


def test_the_readmes_table_is_the_code() -> None:
    """Every setting is in the table with the default that holds, and the table has no other."""
    actual = {
        f"{PREFIX}{name.upper()}": "(required)" if field.is_required() else shown(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert documented() == actual


def test_the_readmes_callers_are_the_code() -> None:
    """Who may call what is written down as it is enforced (I1)."""
    rows = [line.split("|") for line in README.splitlines() if line.startswith("| `") and "orchestrator" in line]
    written = {row[1].strip(" `"): frozenset(row[2].strip().split(", ")) for row in rows}
    assert written == {method.rpartition("/")[2]: callers for method, callers in bootstrap.CALLERS.items()}


def test_only_settings_read_the_environment() -> None:
    """One reader, so that the table is all there is."""
    sources = (MEMBER / "src").rglob("*.py")
    readers = {path.name for path in sources if "os.environ" in path.read_text() or "getenv" in path.read_text()}
    assert readers == {"settings.py"}


def test_a_tool_server_inherits_three_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """I1: PATH, HOME and LANG, with the interpreter's own folder in front; no variable of ours goes to a tool."""
    monkeypatch.setenv("AMAS_POLICY_SIDECAR_REDIS_URL", "redis://secret")
    monkeypatch.setenv("HOME", "/home/amas")
    monkeypatch.setenv("LANG", "C.UTF-8")
    values = dict.fromkeys(("tls_cert_file", "tls_key_file", "tls_ca_file", "tools_workdir"), tmp_path)
    made = Settings(grpc_listen="x", http_listen="x", audit_target="x", redis_url="x", **values)
    environment = made.tool_environment()
    assert set(environment) == {"PATH", "HOME", "LANG"}
    assert environment["PATH"].startswith(f"{Path(sys.executable).parent}:")


def test_a_start_that_cannot_work_says_why() -> None:
    """Exit code 2 and a sentence, no traceback (I11)."""
    done = subprocess.run(
        [sys.executable, "-m", "amas_policy_sidecar"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={"PATH": ""},
    )
    assert done.returncode == 2
    assert f"{PREFIX}AUDIT_TARGET is not set" in done.stderr
    assert "Traceback" not in done.stderr


def opa_settings(folder: Path, **changes: object) -> Settings:
    """Complete settings with an OPA, but for the changes."""
    for name in ("token", "key"):
        (folder / name).write_text("x")
    values = {
        **dict.fromkeys(("tls_cert_file", "tls_key_file", "tls_ca_file", "tools_workdir"), folder),
        "opa_socket": folder / "sockets" / "opa.sock",
        "opa_token_file": folder / "token",
        "opa_signing_key_file": folder / "key",
        **changes,
    }
    return Settings(grpc_listen="x", http_listen="x", audit_target="x", redis_url="x", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"opa_token_file": None}, "OPA_TOKEN_FILE is not set, and AMAS_POLICY_SIDECAR_OPA_SOCKET needs it"),
        ({"opa_signing_key_file": None}, "OPA_SIGNING_KEY_FILE is not set"),
        ({"opa_token_file": Path("/nowhere/token")}, "OPA_TOKEN_FILE: the file /nowhere/token cannot be read"),
        ({"opa_token_file": Path("/dev/null")}, "OPA_TOKEN_FILE: the file /dev/null is empty"),
        ({"opa_api_listen": "0.0.0.0:8182"}, "OPA_API_LISTEN: it is no port of loopback"),
        ({"opa_api_listen": "127.0.0.1"}, "OPA_API_LISTEN: it is no port of loopback"),
    ],
)
def test_an_opa_that_cannot_be_worked_with_is_named(changes: dict[str, object], sentence: str, tmp_path: Path) -> None:
    """One sentence that names the variable (I11); without a socket none of the others is read."""
    with pytest.raises(SettingsError, match=sentence):
        opa_settings(tmp_path, **changes).opa()
    assert opa_settings(tmp_path, **changes, opa_socket=None).opa() is None


def test_no_tool_server_may_see_what_opa_is_trusted_by(tmp_path: Path) -> None:
    """I1: the folders of OPA's socket, token and signing key are hidden, as those of keys and credentials are."""
    folders = [tmp_path / name for name in ("tls", "sockets", "token", "signing", "credentials")]
    tls, sockets, token, signing, credentials = folders
    made = opa_settings(
        tmp_path,
        tls_key_file=tls / "key.pem",
        opa_socket=sockets / "opa.sock",
        opa_token_file=token / "token",
        opa_signing_key_file=signing / "key.pem",
        credentials_dir=credentials,
    )
    assert set(made.hidden_folders()) == set(folders)
