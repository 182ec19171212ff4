"""`amas audit export --bundle` and `amas audit replay` on files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from amas_cli.audit_trail.replay_bundle import read_replay_bundle

from ..audit_trail.exports import Key, Witness
from ..fakes import FakeGateway
from ..verifier.files import BUNDLE, DOCUMENT, approved_run, export_bytes, lines, replay_bundle
from .conftest import Run


def serve(gateway: FakeGateway, document: bytes) -> None:
    """The gateway has one run, and one bundle."""

    async def export(_: web.Request) -> web.Response:
        return web.Response(body=export_bytes(lines(approved_run())))

    async def bundle(_: web.Request) -> web.Response:
        return web.Response(body=document)

    gateway.handlers["GET", "/v1/audit/runs/run-1/export"] = export
    gateway.handlers["GET", f"/v1/audit/bundles/{BUNDLE}"] = bundle


def test_a_replay_bundle_has_the_export_and_what_it_names(run: Run, gateway: FakeGateway, tmp_path: Path) -> None:
    """One file, which the outsiders' verifier accepts."""
    serve(gateway, DOCUMENT)
    target, key = tmp_path / "run.amas", tmp_path / "audit.pub"
    key.write_text(Key().verifier)
    done = run("audit", "export", "run-1", "--bundle", str(target))
    assert done.exit_code == 0, done.output
    assert read_replay_bundle(target).bundle(BUNDLE) == DOCUMENT
    verified = run("audit", "verify", str(target), "--public-key", str(key))
    assert (verified.exit_code, verified.stdout.partition(":")[0]) == (0, "verified")


def test_a_file_can_be_asked_for_its_witnesses(run: Run, tmp_path: Path) -> None:
    """Of an export and of a replay bundle alike; a quorum that nobody can reach is a mistake of whoever asks."""
    members = lines(approved_run())
    members[0]["checkpoint"] += Witness().line(members[0]["checkpoint"])
    bundle, export, key = replay_bundle(tmp_path, members), tmp_path / "run.jsonl", tmp_path / "audit.pub"
    export.write_bytes(export_bytes(members))
    key.write_text(Key().verifier)
    other = Witness(51, "witness.test/2")
    for file in (bundle, export):
        ask = ("audit", "verify", str(file), "--public-key", str(key))
        assert run(*ask, "--witness", Witness().verifier, "--quorum", "1").exit_code == 0
        assert run(*ask, "--witness", other.verifier, "--quorum", "1").exit_code == 1
        assert run(*ask, "--quorum", "1").exit_code == 2
        assert run(*ask, "--tree-only").exit_code == 2


def test_another_bundle_than_the_record_names_is_refused(run: Run, gateway: FakeGateway, tmp_path: Path) -> None:
    """Nothing is written of what does not fit."""
    serve(gateway, DOCUMENT + b" ")
    done = run("audit", "export", "run-1", "--bundle", str(tmp_path / "run.amas"))
    assert done.exit_code == 1
    assert "another bundle" in done.stderr
    assert not list(tmp_path.glob("*.amas"))


@pytest.mark.parametrize("more", [(), ("-o", "a", "--bundle", "b")])
def test_one_form_is_named(run: Run, more: tuple[str, ...]) -> None:
    """Neither is guessed."""
    assert run("audit", "export", "run-1", *more).exit_code == 2


@pytest.mark.parametrize("content", [b"", b"hello", b"manifest.json", b'{"kind":"header"}\n'])
def test_a_file_that_is_no_replay_bundle_is_refused(run: Run, tmp_path: Path, content: bytes) -> None:
    """With a sentence that says what to do, and never a stack trace."""
    file = tmp_path / "run.amas"
    file.write_bytes(content)
    done = run("audit", "replay", str(file))
    assert done.exit_code in (1, 2)
    assert "Something unexpected" not in done.stderr
    assert run("audit", "replay", str(tmp_path / "none.amas")).exit_code == 2


def test_a_record_without_a_readable_bundle_is_not_replayed(run: Run, tmp_path: Path) -> None:
    """The bundle of this record is none that the product makes, and nothing is replayed under another."""
    done = run("audit", "replay", str(replay_bundle(tmp_path, lines(approved_run()))))
    assert done.exit_code == 1
    assert "cannot be read" in done.stderr


def test_who_asks_for_two_things_is_told(run: Run, tmp_path: Path) -> None:
    """--bundle and --until are two questions."""
    file = replay_bundle(tmp_path, lines(approved_run()))
    assert run("audit", "replay", str(file), "--bundle", "policies", "--until", "publish").exit_code == 2
