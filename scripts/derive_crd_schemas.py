"""Derives the JSON Schemas that charts are checked against from the CustomResourceDefinitions of other projects.

They come from the projects' own Go modules, so that they can be had wherever Go modules can. What is kept is small: no
descriptions, and pod specifications are left to Kubernetes' own schemas (scripts/check_charts.py checks those apart).
Unlike a CRD in a cluster, which drops what it does not know, a derived schema refuses it. Skaffold's schema is its own,
without the descriptions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "charts" / "schemas"
SOURCES: dict[str, tuple[str, ...]] = {
    "github.com/argoproj/argo-rollouts@v1.10.1": (
        "manifests/crds/rollout-crd.yaml",
        "manifests/crds/analysis-template-crd.yaml",
    ),
    "github.com/kedacore/keda/v2@v2.21.0": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "sigs.k8s.io/gateway-api@v1.4.0": (
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
    ),
    "github.com/cert-manager/cert-manager@v1.19.1": ("deploy/crds/cert-manager.io_certificates.yaml",),
    "github.com/external-secrets/external-secrets@v0.20.4": (
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
}
SKAFFOLD = "github.com/GoogleContainerTools/skaffold/v2@v2.16.1"
SKAFFOLD_SCHEMA = "docs-v2/content/en/schemas/v4beta13.json"
WORDS = ("description", "x-intellij-html-description", "examples", "default")
KEPT = ("type", "enum", "pattern", "format", "required", "minimum", "maximum", "minLength", "maxLength", "minItems",
        "maxItems", "minProperties", "nullable")  # fmt: skip


def module_folder(module: str) -> Path:
    """Where Go keeps a module, fetched if it is not there yet."""
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")  # noqa: S603 -- fixed command
    answer = json.loads(done.stdout or "{}")
    if done.returncode != 0 or "Dir" not in answer:
        raise SystemExit(f"{module} cannot be had: {answer.get('Error', done.stderr.strip())}")
    return Path(answer["Dir"])


def derive(schema: dict[str, Any]) -> Any:
    """The strict, small form of an OpenAPI v3 schema of a CRD."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    properties = schema.get("properties", {})
    if "containers" in properties:
        return {"type": "object"}
    small: dict[str, Any] = {key: schema[key] for key in KEPT if key in schema}
    if small.pop("nullable", False) and "type" in small:
        small["type"] = [small["type"], "null"]
    if properties:
        small["properties"] = {name: derive(value) for name, value in properties.items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            small["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        small["additionalProperties"] = derive(schema["additionalProperties"])
    if "items" in schema:
        small["items"] = derive(schema["items"])
    return small


def schemas(definition: dict[str, Any]) -> dict[str, Any]:
    """Derived schemas of each served version, by file name as kubeconform looks for them."""
    spec = definition["spec"]
    found = {}
    for version in spec["versions"]:
        if version.get("served", True):
            whole = derive(version["schema"]["openAPIV3Schema"])
            whole["properties"].pop("status", None)
            whole["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{spec['names']['kind'].lower()}_{version['name']}.json"] = whole
    return found


def without_words(schema: Any) -> Any:
    """A JSON Schema without what is there for readers."""
    if isinstance(schema, list):
        return [without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may have one of these names too; then it is a schema, and not a text or a value.
    return {key: without_words(value) for key, value in schema.items() if key not in WORDS or isinstance(value, dict)}


def main() -> int:
    """Writes charts/schemas anew."""
    skaffold = json.loads((module_folder(SKAFFOLD) / SKAFFOLD_SCHEMA).read_text())
    _write("skaffold/v4beta13.json", without_words(skaffold), SKAFFOLD)
    for module, files in SOURCES.items():
        folder = module_folder(module)
        for file in files:
            definition = YAML(typ="safe").load((folder / file).read_text())
            for name, schema in schemas(definition).items():
                _write(name, schema, module)
    return 0


def _write(name: str, schema: Any, module: str) -> None:
    path = TARGET / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{path.relative_to(ROOT)} from {module}")


if __name__ == "__main__":
    sys.exit(main())
