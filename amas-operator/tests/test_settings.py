"""settings: one way to a token, and the table of the README says what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amas_chassis.settings import SettingsError
from amas_operator.settings import OperatorSettings

README = Path(__file__).resolve().parents[1] / "README.md"
NEEDED: dict[str, Any] = {"http_listen": "127.0.0.1:0", "gateway_url": "http://gateway:8000"}
CLIENT: dict[str, Any] = {"issuer": "https://issuer", "client_id": "operator", "client_secret_file": "/secret"}


@pytest.mark.parametrize(
    "given",
    [{}, {**CLIENT, "token_file": "/token"}, {"issuer": "https://issuer"}, {**CLIENT, "client_id": ""}],
)
def test_a_token_comes_from_exactly_one_place(given: dict[str, Any]) -> None:
    """Neither none nor two, nor half of one."""
    with pytest.raises(SettingsError, match="AMAS_OPERATOR_TOKEN_FILE"):
        OperatorSettings(**NEEDED, **given)


@pytest.mark.parametrize("given", [CLIENT, {"token_file": "/token"}])
def test_either_way_will_do(given: dict[str, Any]) -> None:
    """A mounted token, or client credentials."""
    assert OperatorSettings(**NEEDED, **given, namespace="acme").own_namespace() == "acme"


def test_a_namespace_is_needed_outside_a_pod() -> None:
    """And named in words."""
    with pytest.raises(SettingsError, match="AMAS_OPERATOR_NAMESPACE"):
        OperatorSettings(**NEEDED, **CLIENT).own_namespace()


def test_the_readme_names_every_setting() -> None:
    """The table and the code agree on names and defaults."""
    text = README.read_text(encoding="utf-8")
    for name, field in OperatorSettings.model_fields.items():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name.upper()}` |")), "")
        assert row, name
        if not field.is_required() and field.default not in (None, "") and field.default_factory is None:
            assert f"`{field.default:g}`" in row if isinstance(field.default, float) else f"`{field.default}`" in row
