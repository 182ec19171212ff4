"""The table of a service's metrics as its README must have it, out of the instruments themselves."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

HEAD = ("| Metric | Kind | Meaning |", "|---|---|---|")


def table(registry: CollectorRegistry) -> list[str]:
    """A line a metric, in the order of their making: the name that Prometheus sees, and its labels.

    Out of the library's own members: what it collects names no labels before the first sample.
    """
    lines = list(HEAD)
    for metric in registry._collector_to_names:
        kind = type(metric).__name__.lower()
        name = metric._name + ("_total" if kind == "counter" else "")
        labels = ", ".join(metric._labelnames)
        meaning = metric._documentation.rstrip(".")
        lines.append(
            f"| `{name}{{{labels}}}` | {kind} | {meaning} |" if labels else f"| `{name}` | {kind} | {meaning} |"
        )
    return lines


def documented(readme: Path) -> list[str]:
    """The table that a README has."""
    lines = readme.read_text().splitlines()
    start = lines.index(HEAD[0])
    end = next((at for at in range(start, len(lines)) if not lines[at].startswith("|")), len(lines))
    return lines[start:end]
