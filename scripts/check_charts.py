"""Checks the charts: every values file is linted, rendered, and held against schemas, policies and settings.

Kubernetes' schemas come with the package kubernetes-validate, those of other resources from charts/schemas. The pods of
Rollouts are checked as those of Deployments, whose shape is the same.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from ruamel.yaml import YAML

from scripts import chart_settings

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ROOT / "charts"
# Pods that people apply by hand beside a release.
BY_HAND = (ROOT / "deploy" / "archive" / "reader.yaml",)
BUILT = ROOT / "out" / "charts" / "amas"
VERSIONS = ("1.35.0", "1.36.0", "1.37.0")
KUBERNETES = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema"
POLICIES = ("pods", "network", "rollouts", "production")
# What a Rollout has and a Deployment has not.
ROLLOUT_ONLY = ("progressDeadlineAbort", "rollbackWindow", "strategy", "analysis")


def run(*command: str, stdin: str = "") -> str:
    """What a program printed; SystemExit with its complaints if it fails."""
    done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, cwd=ROOT)  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def values_files() -> Iterator[tuple[Path, Path]]:
    """Each chart, as it is built, with each of its values files; one without files of its own with its defaults."""
    for chart in sorted(path.parent for path in CHARTS.glob("*/Chart.yaml")):
        if "type: library" in (chart / "Chart.yaml").read_text():
            continue
        built = next(
            path for path in (BUILT / "charts" / chart.name, BUILT.parent / chart.name, chart) if path.is_dir()
        )
        for values in sorted([*chart.glob("ci/*.yaml"), *chart.glob("values-*.yaml")]) or [chart / "values.yaml"]:
            yield built, values


def render(chart: Path, values: Path, *more: str) -> list[dict[str, Any]]:
    """The documents of a release, hooks too."""
    command = ("helm", "template", "amas", str(chart), "--namespace", "amas", "--values", str(values), *more)
    return [document for document in YAML(typ="safe").load_all(run(*command)) if document]


def as_deployment(document: dict[str, Any]) -> dict[str, Any]:
    """A Rollout's pods as Kubernetes' own schema knows them."""
    spec = {key: value for key, value in document["spec"].items() if key not in ROLLOUT_ONLY}
    return {**document, "apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def validate(documents: list[dict[str, Any]]) -> list[str]:
    """What the schemas of all versions have against documents; a kind without a schema is a complaint too."""
    twins = [as_deployment(document) for document in documents if document["kind"] == "Rollout"]
    complaints = []
    for version in VERSIONS:
        for document in [*documents, *twins]:
            problem = _problem(document, version)
            if problem:
                place = f"{document['kind']} {document['metadata']['name']}"
                complaints.append(f"Kubernetes {version}: {place}: {problem}")
    return complaints


def _problem(document: dict[str, Any], version: str) -> str:
    validator = _validator(document["apiVersion"], document["kind"], version)
    if validator is None:
        return f"no schema for {document['apiVersion']} {document['kind']}"
    error = best_match(validator.iter_errors(document))
    return f"{error.json_path}: {error.message[:300]}" if error is not None else ""


@functools.cache
def _validator(api_version: str, kind: str, version: str) -> Draft202012Validator | None:
    group, _, short = api_version.rpartition("/")
    name = "-".join(word for word in (kind.lower(), group.partition(".")[0], short) if word)
    places = (
        KUBERNETES / f"v{version}-local-strict" / f"{name}.json",
        CHARTS / "schemas" / group / f"{kind.lower()}_{short}.json",
    )
    for path in places:
        if path.is_file():
            return Draft202012Validator(json.loads(path.read_text()), registry=_registry(version))
    return None


@functools.cache
def _registry(version: str) -> Registry[Any]:
    content = json.loads((KUBERNETES / f"v{version}-local-strict" / "_definitions.json").read_text())
    registry: Registry[Any] = Registry().with_resource("/api/_definitions.json", DRAFT202012.create_resource(content))
    return registry


def judge(documents: list[dict[str, Any]]) -> list[str]:
    """What our own policies have against a release."""
    query = " | ".join(f"data.amas.deploy.{policy}.deny" for policy in POLICIES)
    command = ("opa", "eval", "--fail", "--format", "json", "--stdin-input", "--data", "policies/deploy", query)
    answer = json.loads(run(*command, stdin=json.dumps(documents)))
    found: list[str] = answer["result"][0]["expressions"][0]["value"]
    return found


def all_complaints(documents: list[dict[str, Any]]) -> list[str]:
    """What schemas, policies and programs have against a release."""
    return [*validate(documents), *judge(documents), *chart_settings.complaints(documents)]


def main() -> int:
    """Exit code 1 with all complaints of schemas and policies; any other failure ends at once with its own."""
    complaints: list[str] = []
    count = 0
    for chart, values in values_files():
        run("helm", "lint", "--strict", "--quiet", str(chart), "--values", str(values))
        documents = render(chart, values)
        name = values.relative_to(ROOT)
        complaints += [f"{name}: {complaint}" for complaint in all_complaints(documents)]
        count += 1
        print(f"{name}: {len(documents)} documents")
    for path in BY_HAND:
        documents = list(YAML(typ="safe").load_all(path.read_text()))
        complaints += [f"{path.relative_to(ROOT)}: {complaint}" for complaint in all_complaints(documents)]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints or not count else 0


if __name__ == "__main__":
    sys.exit(main())
