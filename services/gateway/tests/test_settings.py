"""Settings: what is documented is what holds, and what is unsafe does not start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from amas_chassis.settings import SettingsError
from amas_gateway.settings import GatewaySettings

README = Path(__file__).parents[1] / "README.md"
GOOD: dict[str, Any] = {
    "grpc_listen": "127.0.0.1:1",
    "http_listen": "127.0.0.1:2",
    "public_http_listen": "127.0.0.1:3",
    "public_grpc_listen": "[::1]:4",
    "tls_cert_file": "c",
    "tls_key_file": "k",
    "tls_ca_file": "a",
    "redis_url": "redis://127.0.0.1:5/0",
    "orchestrator_target": "o",
    "ai_router_target": "r",
    "audit_target": "a",
    "oidc_issuer": "https://issuer.example",
}


def test_documented_settings_are_the_settings() -> None:
    """The README's table names every variable with its default and meaning, and no other."""
    documented = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$", README.read_text(), re.MULTILINE)
    expected = []
    for name, field in GatewaySettings.model_fields.items():
        default = field.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        shown = "required" if field.is_required() else "" if default in (None, "") else f"`{text}`"
        expected.append((name.upper(), shown, field.description))
    assert documented == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit_read_tenant", "lots"),
        ("limit_read_tenant", "0/s"),
        ("limit_model_principal", "10/s,burst=0"),
        ("oidc_leeway", 3600),
        ("limits_without_redis", "allow"),
        ("public_http_listen", "0.0.0.0:8080"),
        ("public_grpc_listen", "10.0.0.1:8080"),
        ("public_tls_cert_file", "alone.pem"),
    ],
)
def test_unsafe_settings_do_not_start(field: str, value: object) -> None:
    """Nonsense, and tokens in plaintext beyond loopback, are refused with a sentence that names the variable."""
    with pytest.raises(SettingsError, match=r"(?i)" + field.rpartition("_")[0].split("_")[0]):
        GatewaySettings(**(GOOD | {field: value}))


def test_public_listeners_with_tls_or_behind_a_proxy() -> None:
    """Beyond loopback it takes TLS, or the word that a proxy ends it."""
    listen = {"public_http_listen": "0.0.0.0:443", "public_grpc_listen": "0.0.0.0:444"}
    assert GatewaySettings(**GOOD).limit_read_tenant
    pair = {"public_tls_cert_file": "c.pem", "public_tls_key_file": "k.pem"}
    assert GatewaySettings(**(GOOD | listen | pair)).public_tls_key_file == Path("k.pem")
    assert GatewaySettings(**(GOOD | listen | {"public_plaintext": True})).public_plaintext
