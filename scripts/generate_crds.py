"""Generates the custom resource definitions of charts/amas-crds from the pydantic models; `--check` fails on drift.

Nothing under charts/amas-crds/files is written by hand.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from amas_governance.custom_resources import GROUP, NAMES, RUNS, definition, run_definition
from ruamel.yaml import YAML

TARGET = Path(__file__).resolve().parent.parent / "charts" / "amas-crds" / "files"
HEADER = "# Generated from the pydantic models by `make crds`; do not edit.\n"
KEPT = {"helm.sh/resource-policy": "keep"}
"""Uninstalling the chart deletes no definition: with it the API server would delete every resource of the kind."""
MAX_BYTES = 250 * 1024
"""`kubectl apply` keeps a copy in an annotation, and all annotations together have 256 KiB."""


def rendered() -> dict[str, str]:
    """File name and text of each definition."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 10_000  # wrapped texts would change whole paragraphs of a diff
    yaml.representer.ignore_aliases = lambda _: True
    files: dict[str, str] = {}
    definitions = {names.plural: definition(kind) for kind, names in NAMES.items()} | {RUNS.plural: run_definition()}
    for plural, crd in definitions.items():
        text = io.StringIO()
        crd["metadata"]["annotations"] = KEPT
        yaml.dump(crd, text)
        files[f"{GROUP}_{plural}.yaml"] = HEADER + text.getvalue()
    return files


def main() -> int:
    """Generates, or checks; returns the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on drift")
    check = parser.parse_args().check
    files = rendered()
    for name, text in files.items():
        if len(text.encode()) > MAX_BYTES:
            print(f"{name} has more than {MAX_BYTES} bytes, too many for `kubectl apply`", file=sys.stderr)
            return 1
    present = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.yaml")}
    drift = sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
    if check:
        for name in drift:
            print(f"differs from the models: charts/amas-crds/files/{name}; run `make crds`", file=sys.stderr)
        return 1 if drift else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in drift:
        if name in files:
            (TARGET / name).write_text(files[name], encoding="utf-8")
        else:
            (TARGET / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
