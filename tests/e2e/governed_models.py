"""What the tests of governed model calls share: routes, budgets that are there for one test, SDK clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai

from ..gateway_client import SDK_RETRIES, GatewayClient
from ..local_platform import LocalPlatform
from ..waiting import wait_for

RESOURCES = Path(__file__).with_name("governed.yaml")
# Port 9 (discard) of loopback: refused at once where nobody serves it.
DEAD_URL = "http://127.0.0.1:9/v1"
SETTLED_TIMEOUT_S = 60.0


def apply_routes(platform: LocalPlatform, url: str, folder: Path, principal: str = "developer") -> None:
    """Applies the routes as a user does."""
    manifest = folder / f"governed-{principal}.yaml"
    manifest.write_text(RESOURCES.read_text().replace("HEARD_URL", url).replace("DEAD_URL", DEAD_URL))
    platform.login(principal)
    platform.command("apply", "-f", str(manifest), "--as", principal)


def client(platform: LocalPlatform, principal: str) -> openai.OpenAI:
    """The official SDK as a principal."""
    url = str(platform.status()["endpoints"]["openai"])
    return openai.OpenAI(base_url=url, api_key=platform.token(principal), max_retries=SDK_RETRIES)


def say(words: str) -> list[Any]:
    """A conversation of one message."""
    return [{"role": "user", "content": words}]


@contextmanager
def budget(api: GatewayClient, name: str, spec: dict[str, Any]) -> Iterator[None]:
    """A Budget that holds for the block. Its window is the month, so that none begins in the middle of a test."""
    set_budget(api, name, spec)
    try:
        yield
    finally:
        api.call("POST", "/resources:apply", {"files": [], "delete": [{"kind": "Budget", "name": name}]})


def set_budget(api: GatewayClient, name: str, spec: dict[str, Any]) -> None:
    """Applies one Budget, or changes it."""
    document = {"apiVersion": "amas.dev/v1alpha1", "kind": "Budget", "metadata": {"name": name}}
    # JSON is YAML.
    files = [{"name": "budget.yaml", "content": json.dumps({**document, "spec": {"window": "month", **spec}})}]
    answer = api.call("POST", "/resources:apply", {"files": files})
    assert not answer.get("problems"), answer


def state(api: GatewayClient, name: str, subject: str = "") -> dict[str, Any]:
    """Where a budget stands for a subject of it."""
    found = api.call("GET", f"/budgets?name={name}")["budgets"]
    return next((dict(one) for one in found if one.get("subject", "") == subject), {})


def settled(api: GatewayClient, name: str, subject: str = "") -> dict[str, Any]:
    """The same once nothing is held any more."""

    def quiet() -> dict[str, Any] | None:
        now = state(api, name, subject)
        held = int(now.get("tokensReserved", 0)) or Decimal(now.get("costReserved", {}).get("amount") or 0)
        return now if now and not held else None

    return wait_for(f"nothing held by {name}", quiet, SETTLED_TIMEOUT_S)
