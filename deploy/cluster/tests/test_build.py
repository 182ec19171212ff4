"""A build is found by what decides it, and an interrupted one is never taken for whole."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
from pathlib import Path

import pytest
from amas_test_cluster.build import Builds, key
from amas_test_cluster.components import KUBERNETES_MODULE, MODULES, Module, Program
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.layout import Layout

SOURCE = Path(__file__).resolve().parents[1] / "go"

# Stands for the Go command: answers what a build asks for, and fails where the test wants it.
FAKE_GO = """#!/bin/sh
case "$1" in
  list) echo one; echo two;;
  build) [ -z "$FAKE_GO_FAILS" ] || { echo "no such package" >&2; exit 1; }
    while [ $# -gt 0 ]; do [ "$1" = -o ] && { echo built > "$2"; exit 0; }; shift; done;;
esac
"""


@pytest.fixture
def module(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Layout, Module]:
    """A module with one program, and a Go command that we made."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "go").write_text(FAKE_GO)
    (tools / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    source = tmp_path / "source" / "go" / "one"
    source.mkdir(parents=True)
    for name in ("go.mod", "go.sum", "main.go"):
        (source / name).write_text("text")
    return dataclasses.replace(layout, source=tmp_path / "source"), Module("one", (Program("program", "./program"),))


def test_every_module_is_there_with_its_checksums() -> None:
    """Builds read only go.mod and go.sum, so both are committed."""
    for module in MODULES:
        assert (SOURCE / module.name / "go.mod").is_file()
        assert (SOURCE / module.name / "go.sum").is_file()


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "hyper/main.go"])
def test_the_key_follows_every_source(tmp_path: Path, file: str) -> None:
    """A change of any file that is compiled gives another key."""
    copy = tmp_path / "kubernetes"
    shutil.copytree(SOURCE / "kubernetes", copy)
    before = key(KUBERNETES_MODULE, copy)
    assert key(KUBERNETES_MODULE, SOURCE / "kubernetes") == before
    with (copy / file).open("a") as stream:
        stream.write("\n")
    assert key(KUBERNETES_MODULE, copy) != before


def test_the_key_follows_what_the_linker_sets(tmp_path: Path) -> None:
    """Another version, another build."""
    other = dataclasses.replace(KUBERNETES_MODULE, programs=KUBERNETES_MODULE.programs[1:])
    assert key(other, SOURCE / "kubernetes") != key(KUBERNETES_MODULE, SOURCE / "kubernetes")


def test_a_build_is_made_once(module: tuple[Layout, Module]) -> None:
    """It stands under its key when it is whole, and is found there the next time."""
    layout, one = module
    Builds(layout).ensure((one,))
    assert Builds(layout).missing((one,)) == []
    (folder,) = layout.builds.glob("one-*")
    made = (folder / "bin" / "program").stat().st_mtime_ns
    Builds(layout).ensure((one,))
    assert (folder / "bin" / "program").stat().st_mtime_ns == made
    assert stat.S_ISREG((folder / "bin" / "program").stat().st_mode)


def test_a_failed_build_is_not_taken_for_whole(module: tuple[Layout, Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """What Go said is in the error, and the next build starts over."""
    layout, one = module
    interrupted = layout.builds / ".building-one-of-other-sources"
    interrupted.mkdir(parents=True)
    monkeypatch.setenv("FAKE_GO_FAILS", "1")
    with pytest.raises(ClusterError, match="building program failed:\nno such package"):
        Builds(layout).ensure((one,))
    assert Builds(layout).missing((one,)) == ["one"]
    monkeypatch.delenv("FAKE_GO_FAILS")
    Builds(layout).ensure((one,))
    assert Builds(layout).missing((one,)) == []
    assert not list(layout.builds.glob(".building-*"))
