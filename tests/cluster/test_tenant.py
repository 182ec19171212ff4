"""What a tenant's removal takes away, and from whom it does not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .kube import Kube
from .tenant import Tenant

KUBECTL = """#!/bin/sh
shift 2
echo "$@" >> {told}
case "$*" in
  "get crd agentroles.amas.dev "*) ;;
  "get crd "*) echo "customresourcedefinition/$3";;
  "get orchestrations.amas.dev --all-namespaces "*) cat {listed};;
  *" --all-namespaces "*) echo '{{"items": []}}';;
  "get orchestrations.amas.dev --output name "*) echo orchestration.amas.dev/one;;
esac
"""
HELM = "#!/bin/sh\necho '[]'\n"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that notes what it is told. A removal was cut off here: the first definition is gone already."""
    told, listed = tmp_path / "told", tmp_path / "listed"
    for name, program in (("kubectl", KUBECTL.format(told=told, listed=listed)), ("helm", HELM)):
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return told


def has(told: Path, *namespaces: str) -> None:
    """The namespaces that have an Orchestration."""
    items = [{"metadata": {"name": "one", "namespace": namespace}} for namespace in namespaces]
    told.with_name("listed").write_text(json.dumps({"items": items}))


def test_a_removal_that_was_cut_off_is_finished(told: Path):
    """What is left of the definitions lets go of its resources first, or their deletion would wait for ever."""
    has(told, "acme")
    Tenant(Kube("acme")).remove()
    did = told.read_text().splitlines()
    patched = [at for at, line in enumerate(did) if line.startswith("patch orchestration.amas.dev/one ")]
    deleted = [at for at, line in enumerate(did) if line.startswith("delete crd ")]
    assert patched
    assert deleted
    assert patched[0] < deleted[0]


def test_resources_of_others_are_not_taken_away(told: Path):
    """With the definitions all resources of the cluster would go, without a question."""
    has(told, "acme", "globex")
    with pytest.raises(AssertionError, match="globex would lose resources of theirs"):
        Tenant(Kube("acme")).remove()
    assert not [line for line in told.read_text().splitlines() if line.split()[0] in ("delete", "patch")]
