"""Checks what stands above the charts: the overlays of environments, and skaffold.yaml.

Each overlay is rendered by Kustomize and held against all that charts are held against. skaffold.yaml is checked
against Skaffold's own schema, profile by profile, and its values against the charts' schemas; Skaffold is not run.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match
from ruamel.yaml import YAML

from scripts.check_charts import BUILT, CHARTS, ROOT, all_complaints, run

OVERLAYS = ROOT / "deploy" / "overlays"
SKAFFOLD = ROOT / "skaffold.yaml"
# What Skaffold would say of an image that it pushed: Go templates over its variables, which end in the image's name.
ANSWERS = {
    "DOMAIN": "registry.example.com",
    "REPO_NO_DOMAIN": "amas/image",
    "TAG": "dev",
    "DIGEST": f"sha256:{'0' * 64}",
}
VARIABLE = re.compile(r"\{\{\.IMAGE_(DOMAIN|REPO_NO_DOMAIN|TAG|DIGEST)_(\w+)\}\}")


def _read(text: str) -> list[dict[str, Any]]:
    return [document for document in YAML(typ="safe").load_all(text) if document]


def overlay(folder: Path) -> list[str]:
    """What is wrong with an environment."""
    documents = _read(run("kustomize", "build", "--enable-helm", "--helm-command", "helm", str(folder)))
    complaints = all_complaints(documents)
    environments = {document["metadata"].get("labels", {}).get("amas.dev/environment") for document in documents}
    if environments != {folder.name}:
        complaints.append(f"its label amas.dev/environment is {environments}, and policies of that name do not hold")
    print(f"{folder.relative_to(ROOT)}: {len(documents)} documents")
    return complaints


def profiles(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The configuration without a profile, and with each, its patches applied (RFC 6902, add and replace)."""
    yield "none", config
    for profile in config["profiles"]:
        patched = copy.deepcopy(config)
        for patch in profile["patches"]:
            *way, last = patch["path"].strip("/").split("/")
            place: Any = patched
            for name in way:
                place = place[int(name) if isinstance(place, list) else name]
            if patch["op"] == "replace" and last not in place:
                raise SystemExit(f"skaffold.yaml, profile {profile['name']}: there is no {patch['path']} to replace")
            place[last] = patch["value"]
        yield profile["name"], patched


def skaffold() -> list[str]:
    """What is wrong with skaffold.yaml."""
    config = _read(SKAFFOLD.read_text())[0]
    schema = json.loads((CHARTS / "schemas" / "skaffold" / "v4beta13.json").read_text())
    complaints = []
    for name, patched in profiles(config):
        problem = best_match(Draft7Validator(schema).iter_errors(patched))
        if problem is not None:
            complaints.append(f"profile {name}: {problem.json_path}: {problem.message[:300]}")
        for artifact in patched["build"]["artifacts"]:
            if not (ROOT / artifact.get("context", ".") / artifact["docker"]["dockerfile"]).is_file():
                complaints.append(f"profile {name}: {artifact['image']} has no Dockerfile where it says")
        images = {re.sub(r"[./:-]", "_", artifact["image"]) for artifact in patched["build"]["artifacts"]}
        for release in patched["deploy"]["helm"]["releases"]:
            complaints += [f"profile {name}: {problem}" for problem in _release(release, images)]
    print(f"skaffold.yaml: {len(config['profiles'])} profiles")
    return [*complaints, *_elsewhere(SKAFFOLD.read_text())]


def _elsewhere(text: str) -> Iterator[str]:
    """What stands twice, since Skaffold and Docker read no other files, is the same in both places."""
    for base in re.findall(r"^ARG \w+_BASE=(\S+)", (ROOT / "services/gateway/Dockerfile").read_text(), re.MULTILINE):
        if base not in text:
            yield f"it does not name the base {base} of the Dockerfiles"
    version = re.findall(r"^version=(\S+)", (ROOT / "scripts/ensure_opa.sh").read_text(), re.MULTILINE)[0]
    if f":{version}-static" not in (ROOT / "deploy/images/opa-upstream/Dockerfile").read_text():
        yield f"deploy/images/opa-upstream is not OPA {version}"


def _release(release: dict[str, Any], images: set[str]) -> Iterator[str]:
    """The charts' schemas say what is wrong with values, by ending the check; all images must be built ones."""
    values = dict(release.get("setValues", {}))
    for place, template in release["setValueTemplates"].items():
        found = VARIABLE.fullmatch(template)
        if found is None or found[2] not in images:
            yield f"{place}: {template} is no variable of an image that is built"
        else:
            values[place] = ANSWERS[found[1]]
    command = [
        "helm",
        "template",
        release["name"],
        str(ROOT / release["chartPath"]),
        "--namespace",
        release["namespace"],
    ]
    for file in release["valuesFiles"]:
        command += ["--values", str(ROOT / file)]
    for place, value in values.items():
        command += ["--set", f"{place}={value}"]
    for document in _read(run(*command)):
        for image in re.findall(r'"image": "([^"]+)"', json.dumps(document)):
            if not image.startswith("registry.example.com/amas/image@sha256:"):
                yield f"{document['kind']} {document['metadata']['name']}: {image} is not built by Skaffold"


def main() -> int:
    """Exit code 1 with all complaints."""
    if not BUILT.is_dir():
        raise SystemExit("there are no charts in out/charts: run `make charts`")
    complaints = [f"skaffold.yaml: {complaint}" for complaint in skaffold()]
    for file in sorted(OVERLAYS.glob("*/values.yaml")):
        complaints += [f"{file.parent.relative_to(ROOT)}: {complaint}" for complaint in overlay(file.parent)]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
