"""The providers, routes and budget of the benchmark: one route a behaviour of the scripted upstream."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .payloads import MODEL

HEDGE_AFTER_MS = 100
"""When a second target is asked although the first has not failed."""
OPEN_FOR_MS = 1
"""How long a circuit rests where each call shall meet the fault itself: the next call is its probe."""
PLAIN = "bench-plain"

_PROVIDER = """\
apiVersion: amas.dev/v1alpha1
kind: ModelProvider
metadata: {{name: {name}}}
spec:
  api: openai
  baseUrl: "{url}"
  maxTokensParameter: max_tokens
  keys: [{{file: local}}]
  models:
    {model}:
      maxOutputTokens: 4096
      prices: [{{from: 2026-01-01, inputPerMillion: "0.25", outputPerMillion: "2.00", currency: USD}}]
---
"""
_ROUTE = """\
apiVersion: amas.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  targets:
{targets}
  strategy: {strategy}
{more}
---
"""
_TARGET = "    - {{provider: {name}, model: {model}, timeout: {{firstToken: {first}s, total: 600s}}}}"
_BUDGET = """\
apiVersion: amas.dev/v1alpha1
kind: Budget
metadata: {name: bench}
spec:
  subject: {tenant: acme}
  window: day
  cost: {amount: "1000000", currency: USD}
  tokens: 1000000000000
"""


def manifest(urls: Mapping[str, str]) -> str:
    """YAML of everything. `urls` are the base URLs by provider: good, other, refused, reset, hang, idle, dying."""
    providers = [_PROVIDER.format(name=name, url=url, model=MODEL) for name, url in urls.items()]
    each_call_meets_it = f"  breaker: {{failures: 1000, failureRate: 100%, openFor: {OPEN_FOR_MS}ms}}"
    hedged = f"  hedge: {{after: {HEDGE_AFTER_MS}ms}}"
    routes = [
        _route(PLAIN, "good"),
        _route("bench-idle", "idle", first=60),
        _route("bench-refused", "refused", "good", more=each_call_meets_it),
        _route("bench-reset", "reset", "good", more=each_call_meets_it),
        _route("bench-open", "refused", "good", more="  breaker: {failures: 1, failureRate: 1%, openFor: 60s}"),
        _route("bench-hung", "hang", "good", more=hedged),
        _route("bench-dying", "dying", "good", strategy="weighted"),
    ]
    return "".join([*providers, *routes, _BUDGET])


def _route(name: str, *targets: str, strategy: str = "priority", more: str = "", first: int = 30) -> str:
    listed = "\n".join(_TARGET.format(name=target, model=MODEL, first=first) for target in targets)
    return _ROUTE.format(name=name, targets=listed, strategy=strategy, more=more)


def write_resources(folder: Path, urls: Mapping[str, str]) -> Path:
    """Writes the manifest into a folder that it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.yaml").write_text(manifest(urls))
    return folder
