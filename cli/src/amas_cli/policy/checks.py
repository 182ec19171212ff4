"""What can be said about policies without running a test: format, strictness, compilation, documented reason codes."""

from __future__ import annotations

import re
import tarfile
import tempfile
from pathlib import Path

from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine

from .findings import Finding
from .opa import OpaRefusedError, ask_opa, run_opa
from .sources import ENTRYPOINT, Sources
from .syntax import parse

MODULE = "policy.wasm"


def reason_codes_document(folder: Path) -> Path | None:
    """The list of reason codes of the repository that the folder stands in; None where there is none."""
    document = folder.absolute().parent / "docs" / "reason-codes.md"
    return document if document.is_file() else None


async def check(sources: Sources) -> list[Finding]:
    """All findings. What does not compile is not looked at further."""
    findings = check_sources(sources)
    if any(finding.check != "format" for finding in findings):
        return findings
    return [*findings, *await _compiled(sources), *_documented(sources)]


def check_sources(sources: Sources) -> list[Finding]:
    """Format, and OPA's strict check of all modules."""
    listed = run_opa("fmt", "--list", *sources.modules).stdout.split("\n")
    findings = [Finding("format", path, "it is not formatted: run `opa fmt --write`") for path in listed if path]
    try:
        ask_opa("check", "--strict", "--format", "json", *sources.modules)
    except OpaRefusedError as error:
        findings = [Finding("strict", *_placed(line)) for line in error.errors]
    return findings


async def _compiled(sources: Sources) -> list[Finding]:
    """Whether the embedded engine would take the policies: WebAssembly lacks some of OPA's builtins."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "bundle.tar.gz"
        target = ("--target", "wasm", "--entrypoint", ENTRYPOINT, "--output", archive)
        try:
            done = run_opa("build", *target, *sources.policies)
            if done.returncode != 0:
                return [Finding("compile", str(sources.folder), line) for line in done.stderr.strip().splitlines()]
            with tarfile.open(archive) as bundle:
                member = bundle.extractfile(next(name for name in bundle.getnames() if Path(name).name == MODULE))
                module = b"" if member is None else member.read()
            await WasmEngine().load("sha256:checked", PolicySet(wasm=module))
        except AmasError as error:
            return [Finding("wasm", str(sources.folder), error.message)]
    return []


def _documented(sources: Sources) -> list[Finding]:
    document = reason_codes_document(sources.folder)
    if document is None:
        return []
    known = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", document.read_text(encoding="utf-8")))
    return [
        Finding(
            "codes",
            f"{module.file}:{row}",
            f"reason code {code} does not stand in {document.parent.name}/{document.name}",
        )
        for module in parse(sources).values()
        for code, row in module.codes().items()
        if code not in known
    ]


def _placed(line: str) -> tuple[str, str]:
    place, separator, message = line.partition(": ")
    return (place, message) if separator and re.search(r":\d+$", place) else ("", line)
