"""Generates the Python stubs under proto/gen/python from proto/; `--check` fails when the committed ones differ.

Nothing under proto/gen/python/{amas,buf} is written by hand.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
TARGET = PROTO / "gen" / "python"
PACKAGES = ("amas", "buf")


def generate(into: Path) -> None:
    """Writes messages, services and their type stubs into a folder."""
    own = sorted(str(p.relative_to(PROTO)) for p in (PROTO / "amas").rglob("*.proto"))
    services = [p for p in own if "service " in (PROTO / p).read_text()]
    vendored = ["buf/validate/validate.proto"]
    include = [f"-I{PROTO}", f"-I{PROTO / 'vendor'}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
    messages = ["protoc", *include, f"--python_out={into}", f"--mypy_out=quiet:{into}", *own, *vendored]
    grpc = ["protoc", *include, f"--grpc_python_out={into}", f"--mypy_grpc_out=quiet:{into}", *services]
    for command in (messages, grpc):
        if protoc.main(command) != 0:
            raise SystemExit("protoc failed: see the messages above")


def differences(a: Path, b: Path) -> list[str]:
    """Names the files that are not the same on both sides."""

    def files(root: Path) -> set[str]:
        return {
            str(p.relative_to(root))
            for package in PACKAGES
            for p in (root / package).rglob("*.py*")
            if "__pycache__" not in p.parts
        }

    left, right = files(a), files(b)
    changed = {f for f in left & right if not filecmp.cmp(a / f, b / f, shallow=False)}
    return sorted((left ^ right) | changed)


def main() -> int:
    """Generates, or checks; returns the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on drift")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if check:
            drift = differences(fresh, TARGET)
            for name in drift:
                print(f"differs from proto/: proto/gen/python/{name}; run `make proto`", file=sys.stderr)
            return 1 if drift else 0
        for package in PACKAGES:
            shutil.rmtree(TARGET / package, ignore_errors=True)
            shutil.copytree(fresh / package, TARGET / package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
