"""Writes `.amas/resources/model.yaml`: the scripted model, or a real one named in the user's environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .home import Home, write_private
from .scripted_model.model_names import MODELS
from .scripted_model.model_names import NORMAL as SCRIPTED_MODEL

SCRIPTED_INPUT_PRICE = "0.25"
SCRIPTED_CACHED_PRICE = "0.025"
SCRIPTED_OUTPUT_PRICE = "2.00"
"""US dollars a million tokens: those of a small hosted model, so that a run's cost is not zero."""
UNKNOWN_PRICE = "0"
KEY_FILE = "local"


@dataclass(frozen=True)
class Model:
    """The model behind the route `default`."""

    name: str
    base_url: str
    prices: tuple[str, str, str]
    """Input, cached input and output, in US dollars a million tokens."""


def write_model_resources(home: Home, scripted_url: str, environment: Mapping[str, str]) -> Model:
    """Write the resources and the key's file (mode 0600); answers what the route points to."""
    model, key = _choose(scripted_url, environment)
    write_private(home.keys / KEY_FILE, key)
    write_private(home.resources / "model.yaml", _manifest(model))
    return model


def _choose(scripted_url: str, environment: Mapping[str, str]) -> tuple[Model, str]:
    base_url, name = environment.get("AMAS_MODEL_BASE_URL", ""), environment.get("AMAS_MODEL", "")
    if not base_url and (not name or name in MODELS):
        prices = (SCRIPTED_INPUT_PRICE, SCRIPTED_CACHED_PRICE, SCRIPTED_OUTPUT_PRICE)
        return Model(name or SCRIPTED_MODEL, scripted_url, prices), "scripted"
    if not base_url or not name:
        raise CliError(
            "A real model needs both AMAS_MODEL_BASE_URL and AMAS_MODEL, and its key in AMAS_MODEL_API_KEY. "
            f"Without a URL, AMAS_MODEL names one of the scripted provider: {', '.join(MODELS)}.",
            exit_code=ExitCode.USAGE,
        )
    if not base_url.startswith(("http://", "https://")):
        raise CliError("AMAS_MODEL_BASE_URL must start with http:// or https://.", exit_code=ExitCode.USAGE)
    prices = (
        environment.get("AMAS_MODEL_INPUT_PRICE", UNKNOWN_PRICE),
        environment.get("AMAS_MODEL_CACHED_INPUT_PRICE", UNKNOWN_PRICE),
        environment.get("AMAS_MODEL_OUTPUT_PRICE", UNKNOWN_PRICE),
    )
    return Model(name, base_url, prices), environment.get("AMAS_MODEL_API_KEY", "") or "none"


def _manifest(model: Model) -> str:
    """YAML text; each value from outside is written as a JSON string, which YAML 1.2 reads as such."""
    quoted, price_in, price_cached, price_out = (json.dumps(text) for text in (model.name, *model.prices))
    return f"""\
# Written by `amas up`: change it with AMAS_MODEL_BASE_URL, AMAS_MODEL and AMAS_MODEL_API_KEY.
apiVersion: amas.dev/v1alpha1
kind: ModelProvider
metadata: {{name: local}}
spec:
  api: openai
  baseUrl: {json.dumps(model.base_url)}
  keys: [{{file: {KEY_FILE}}}]
  models:
    {quoted}:
      prices:
        - from: 2026-01-01
          inputPerMillion: {price_in}
          cachedInputPerMillion: {price_cached}
          outputPerMillion: {price_out}
          currency: USD
---
apiVersion: amas.dev/v1alpha1
kind: ModelRoute
metadata: {{name: default}}
spec:
  targets:
    - {{provider: local, model: {quoted}, timeout: {{firstToken: 30s, total: 120s}}}}
  strategy: priority
  clearance: {{confidentiality: internal, categories: [], otherwise: pseudonymise}}
"""
