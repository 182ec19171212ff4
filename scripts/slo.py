"""Generates what follows from the objectives: alert and recording rules, and the questions that canaries are judged by.

Both come from `dashboards/slo/*.yaml` (Sloth specification), so that they cannot disagree; what only a canary can be
asked (is it worse than the stable pods?) is in `dashboards/analysis/canary.yaml`. `--check` fails on drift. It must
never hold a threshold of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
OBJECTIVES = ROOT / "dashboards/slo"
CANARY = ROOT / "dashboards/analysis/canary.yaml"
RULES = ROOT / "dashboards/rules"
QUERIES = ROOT / "charts/amas-lib/templates/_analysis_queries.tpl"

WINDOW = "{{.window}}"
# What the chart puts in, at the place where a Rollout's pods are known.
_PLACES = ("@window@", "@seconds@", "@minimum@", "@canary@", "@stable@")
_APP = re.compile(r'\{app="[a-z-]+"')

Json = dict[str, Any]


class SourceError(Exception):
    """A source file says something that nothing can be generated from."""


def metrics() -> dict[str, list[Json]]:
    """By service, what its canaries are judged by: name, limit, minimum and query, with places for the chart."""
    objectives = _objectives()
    wanted: dict[str, dict[str, Json]] = _read(CANARY)
    return {
        service: [
            _metric(f"{service}/{name}", name, entry, objectives.get(service, {})) for name, entry in named.items()
        ]
        for service, named in wanted.items()
    }


def _read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def _objectives() -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for path in sorted(OBJECTIVES.glob("*.yaml")):
        spec = _read(path)
        found[spec["service"]] = {slo["name"]: slo for slo in spec["slos"]}
    return found


def _metric(where: str, name: str, entry: Json, objectives: dict[str, Json]) -> Json:
    if "slo" in entry:
        slo = objectives.get(entry["slo"])
        if slo is None:
            raise SourceError(f"{where}: there is no objective named {entry['slo']}")
        about, limit = slo["description"], round(1 - slo["objective"] / 100, 6)
        query = _share(slo["sli"]["events"]["error_query"], slo["sli"]["events"]["total_query"], where)
    else:
        kind = next((kind for kind in _COMPARISONS if kind in entry), None)
        if kind is None:
            raise SourceError(f"{where}: names neither `slo` nor one of {', '.join(_COMPARISONS)}")
        about, limit = _COMPARISONS[kind][0], entry["limit"]
        query = _COMPARISONS[kind][1](entry[kind]["part"], entry[kind]["total"], where)
    return {"name": name, "about": about.strip(), "minimum": entry["minimum"], "limit": limit, "query": query}


def _on(pods: str, query: str, where: str) -> str:
    """The query on the pods of one revision alone; each selector must begin with the app, or it would see others."""
    ranges = query.count(f"}}[{WINDOW}]")
    if not ranges or not ranges == len(_APP.findall(query)) == query.count("["):
        raise SourceError(f'{where}: each selector begins with app="…", and each range is {WINDOW}')
    narrowed = _APP.sub(lambda found: f"{found.group()},{pods}", query)
    return " ".join(narrowed.replace(WINDOW, "@window@").split())


def _enough(pods: str, total: str, where: str) -> str:
    return f"on () (sum({_on(pods, total, where)}) * @seconds@ >= @minimum@)"


def _share(part: str, total: str, where: str, pods: str = "@canary@") -> str:
    # Nothing is added for series that are missing: where none means zero, the source says `or vector(0)`.
    share = f"({_on(pods, part, where)}) / ({_on(pods, total, where)})"
    return f"({share}) and {_enough(pods, total, where)}"


def _above(part: str, total: str, where: str) -> str:
    return f"({_share(part, total, where)}) - ({_share(part, total, where, '@stable@')})"


def _apart(part: str, total: str, where: str) -> str:
    return f"abs({_above(part, total, where)})"


def _times(part: str, total: str, where: str) -> str:
    units = [f"({_on(pods, part, where)}) / ({_on(pods, total, where)})" for pods in ("@canary@", "@stable@")]
    enough = " and ".join(_enough(pods, total, where) for pods in ("@canary@", "@stable@"))
    return f"max(({units[0]}) / ({units[1]})) and {enough}"


_COMPARISONS = {
    "above": ("Share of the canary minus share of the stable pods.", _above),
    "apart": ("How far the shares of canary and stable pods are apart.", _apart),
    "times": ("What a unit costs on the canary, as a multiple of the stable pods'.", _times),
}


def filled(query: str, *, seconds: int, minimum: float, canary: str, stable: str) -> str:
    """A query with its places filled; the pods are label matchers."""
    values = (f"{seconds}s", str(seconds), str(minimum), canary, stable)
    for place, value in zip(_PLACES, values, strict=True):
        query = query.replace(place, value)
    return query


def template() -> str:
    """The named template that the library chart reads."""
    body = "".join(f"{service}:\n{''.join(map(_item, named))}" for service, named in metrics().items())
    if "{{" in body or "}}" in body:
        raise SourceError("a query holds what Helm would take for a template")
    note = "{{/* Generated by scripts/slo.py from dashboards/; `make slo` writes it anew. */}}\n"
    return f'{note}{{{{- define "amas-lib.analysisMetrics" -}}}}\n{body}{{{{- end }}}}\n'


def _item(metric: Json) -> str:
    # Values as JSON, which is YAML too.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in metric.items()]
    return f"- {'  '.join(lines)}"


def rules() -> dict[str, str]:
    """Sloth's rules by file name: recordings of the objectives, what is left of the budgets, burn-rate alerts."""
    made: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(OBJECTIVES.glob("*.yaml")):
            out = Path(folder) / path.name
            command = ["sloth", "generate", "--no-color", "-i", str(path), "-o", str(out)]
            try:
                done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 -- fixed command
            except FileNotFoundError:
                raise SourceError("sloth is not on the PATH: `make sloth` builds it") from None
            if done.returncode != 0:
                raise SourceError(f"sloth refuses {path.name}:\n{done.stderr}")
            made[path.name] = out.read_text()
    return made


def main() -> int:
    """Writes what is generated, or compares it; the exit code is 1 if it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something would change")
    check = parser.parse_args().check
    try:
        wanted = {QUERIES: template()} | {RULES / name: text for name, text in rules().items()}
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    stale = [path for path in RULES.glob("*.yaml") if path not in wanted]
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in changed + stale:
            print(f"{path.relative_to(ROOT)} is not what the objectives say: run `make slo`", file=sys.stderr)
        return 1 if changed or stale else 0
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    for path in stale:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
