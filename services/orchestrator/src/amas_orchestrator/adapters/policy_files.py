"""The policies that go into every bundle: Rego modules and what they are compiled to, read from a folder once."""

from __future__ import annotations

from pathlib import Path

from amas_governance.bundle import PolicySet

WASM = Path("build") / "policy.wasm"
APART = "deploy"
"""Folder with policies over deployment manifests: they decide nothing at run time, and no bundle changes with them."""
MAX_BYTES = 8 * 1024 * 1024
"""Bytes of all policies together: half of what a bundle may have."""


class PolicyFilesError(Exception):
    """The folder does not hold what it should; the text is one sentence for the operator."""


def read_policies(folder: Path) -> PolicySet:
    """Rego modules by their path in the folder, tests left out, and the compiled policy."""
    wasm_file = folder / WASM
    if not wasm_file.is_file():
        raise PolicyFilesError(f"{folder} holds no compiled policy: {WASM} is missing")
    files = sorted(path for path in folder.rglob("*.rego") if _goes_in(path, folder))
    if not files:
        raise PolicyFilesError(f"{folder} holds no Rego modules")
    try:
        modules = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}
        wasm = wasm_file.read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFilesError(f"a policy in {folder} cannot be read: {type(error).__name__}") from error
    if len(wasm) + sum(len(text.encode()) for text in modules.values()) > MAX_BYTES:
        raise PolicyFilesError(f"the policies in {folder} have more than {MAX_BYTES} bytes")
    return PolicySet(modules, wasm)


def _goes_in(path: Path, folder: Path) -> bool:
    return not path.name.endswith("_test.rego") and path.relative_to(folder).parts[0] != APART
