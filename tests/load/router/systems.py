"""The systems under test, one way of starting each: all talk to the same scripted upstream."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...waiting import wait_for
from . import peers
from .payloads import MODEL
from .plan import Endpoint
from .processes import free_port, module, running

LITELLM, PORTKEY, TENSORZERO = "LiteLLM", "Portkey", "TensorZero"
PASSTHROUGH, UPSTREAM = "bare pass-through", "upstream alone"
LITELLM_START_S = 120.0
START_S = 30.0

_LITELLM = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: "openai/{model}", api_base: "{url}", api_key: scripted}}
litellm_settings: {{telemetry: false, num_retries: 0}}
general_settings: {{master_key: {key}}}
"""
_TENSORZERO = """\
[gateway]
observability.enabled = false
[models.{model}]
routing = ["upstream"]
[models.{model}.providers.upstream]
type = "openai"
model_name = "{model}"
api_base = "{url}/"
api_key_location = "none"
"""


@dataclass(frozen=True)
class System:
    """Something that answers chat completions, and the processes that this costs."""

    name: str
    endpoint: Endpoint
    parts: Mapping[str, int]
    """Process ids by part. All of them are measured."""
    counted: tuple[str, ...] = ()
    """Parts whose CPU is the system's; empty: all."""
    versions: Mapping[str, str] = field(default_factory=dict)

    def status(self) -> dict[str, Any]:
        """In the form that `part_cpu` reads."""
        return {"parts": [{"name": name, "pid": pid} for name, pid in self.parts.items()]}


@contextlib.contextmanager
def litellm(folder: Path, url: str) -> Iterator[System]:
    """LiteLLM's proxy: one worker, no database."""
    executable = peers.litellm()
    config, port = folder / "litellm.yaml", free_port()
    # It does not start without one. Checking it is a comparison: there is no database.
    key = "sk-" + secrets.token_hex(16)
    config.write_text(_LITELLM.format(model=MODEL, url=url, key=key))
    command = [str(executable), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        # The price list comes with the package: nothing is fetched while it is measured.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with running(
        [*command, "--num_workers", "1", "--telemetry", "False"],
        folder / "litellm.log",
        ready_port=port,
        timeout=LITELLM_START_S,
        environment=environment,
    ) as process:
        headers = {"authorization": f"Bearer {key}"}
        yield System(LITELLM, Endpoint(port, headers=headers), {LITELLM: process.pid})


@contextlib.contextmanager
def portkey(folder: Path, url: str) -> Iterator[System]:
    """Portkey's gateway, told by headers where the provider is."""
    script, port = peers.portkey(), free_port()
    command = [str(peers.node()), str(script), "--headless", f"--port={port}"]
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": url, "authorization": "Bearer scripted"}
    with running(command, folder / "portkey.log", ready_port=port, timeout=START_S) as process:
        yield System(PORTKEY, Endpoint(port, headers=headers), {PORTKEY: process.pid})


@contextlib.contextmanager
def tensorzero(folder: Path, url: str) -> Iterator[System]:
    """TensorZero's gateway, without its observability, which wants a ClickHouse."""
    python = peers.tensorzero()
    config, log = folder / "tensorzero.toml", folder / "tensorzero.log"
    config.write_text(_TENSORZERO.format(model=MODEL, url=url))
    command = [str(python), str(Path(__file__).with_name("tensorzero_gateway.py")), str(config)]
    with running(command, log) as process:
        base = wait_for("TensorZero's base URL", lambda: _base_url(log), START_S)
        port, _, path = base.rpartition(":")[2].partition("/")
        name = f"tensorzero::model_name::{MODEL}"
        endpoint = Endpoint(int(port), f"/{path.rstrip('/')}/chat/completions", model=name)
        yield System(TENSORZERO, endpoint, {TENSORZERO: process.pid})


def _base_url(log: Path) -> str | None:
    return next((line for line in log.read_text().splitlines() if line.startswith("http://")), None)


@contextlib.contextmanager
def passthrough(folder: Path, url: str) -> Iterator[System]:
    """What the HTTP stack costs."""
    port = free_port()
    with running(
        module("passthrough", str(port), url), folder / "passthrough.log", ready_port=port, timeout=START_S
    ) as process:
        yield System(PASSTHROUGH, Endpoint(port), {PASSTHROUGH: process.pid})


@contextlib.contextmanager
def upstream(folder: Path, port: int = 0) -> Iterator[System]:
    """The scripted provider, on a port of its own or on the one that is named."""
    port = port or free_port()
    with running(
        module("upstream", str(port)), folder / f"upstream-{port}.log", ready_port=port, timeout=START_S
    ) as process:
        yield System(UPSTREAM, Endpoint(port, "/ok/v1/chat/completions"), {UPSTREAM: process.pid})


STARTERS = {LITELLM: litellm, PORTKEY: portkey, TENSORZERO: tensorzero, PASSTHROUGH: passthrough}
"""The peers and the pass-through; ours and the upstream are always there."""
VERSIONS = {
    LITELLM: peers.LITELLM_VERSION,
    PORTKEY: f"{peers.PORTKEY_VERSION} on Node {peers.node_version()}",
    TENSORZERO: peers.TENSORZERO_VERSION,
}
