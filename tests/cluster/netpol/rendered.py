"""The chart's NetworkPolicies as `helm template` gives them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

VALUES = Path(__file__).parent / "values.yaml"
RENDER_TIMEOUT_S = 60


def rendered(release: str, namespace: str, chart: Path, values: Path) -> list[dict[str, Any]]:
    """All of them, hooks' included, with the matrix's values above the given ones."""
    text = subprocess.run(
        ["helm", "template", release, str(chart), "--namespace", namespace]
        + [part for file in (values, VALUES) for part in ("--values", str(file))],
        capture_output=True, text=True, timeout=RENDER_TIMEOUT_S, check=True,
    ).stdout  # fmt: skip
    found = [one for one in yaml.safe_load_all(text) if one and one["kind"] == "NetworkPolicy"]
    for policy in found:
        policy["metadata"].setdefault("namespace", namespace)
    return found
