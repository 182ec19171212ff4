"""Which policies go into a bundle."""

from pathlib import Path

from amas_orchestrator.adapters.policy_files import read_policies


def test_policies_over_manifests_and_tests_stay_out(tmp_path: Path) -> None:
    """A bundle's digest, to which runs are pinned, does not change with how we deploy."""
    for name in ("main/policy.rego", "main/policy_test.rego", "deploy/pods/rules.rego", "tools/deploy/policy.rego"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("package amas\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "policy.wasm").write_bytes(b"\x00asm")
    assert set(read_policies(tmp_path).modules) == {"main/policy.rego", "tools/deploy/policy.rego"}
