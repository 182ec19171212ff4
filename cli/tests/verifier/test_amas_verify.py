"""The outsiders' verifier: it needs nothing of ours, and finds every change of a replay bundle (invariant I9)."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amas_cli.app import build
from amas_cli.audit_trail import KeyRing
from amas_cli.audit_trail.note import KeyRefusedError
from amas_cli.audit_trail.replay_bundle import read_replay_bundle, write_replay_bundle
from amas_cli.verifier import amas_verify
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ..audit_trail.exports import Key, Witness
from .files import BUNDLE, DOCUMENT, OTHER, approved_run, event, export_bytes, lines, replay_bundle

KEY = amas_verify.Key(Key().verifier)


def verify(content: bytes) -> amas_verify.Report:
    return amas_verify.verify(io.BytesIO(content), [KEY])


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return replay_bundle(tmp_path_factory.mktemp("genuine"), lines(approved_run())).read_bytes()


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the printed verifier isolated (-I), with `cryptography` and what it needs beside it and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    packages = folder / "packages"
    packages.mkdir()
    for package in ("cryptography", "cffi"):
        for file in importlib.metadata.files(package) or ():
            top = file.parts[0]
            if top != ".." and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)
    script = folder / "amas_verify.py"
    script.write_text(CliRunner().invoke(build(), ["audit", "verifier"]).stdout)
    start = (
        f"import sys, runpy; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(packages)!r}]; "
    )
    start += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-c", start, str(script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd=os.sep)

    return run


def test_an_outsider_needs_python_and_cryptography_alone(bare_python: Any, genuine: bytes, tmp_path: Path) -> None:
    """The printed file, isolated from this project, accepts what is genuine and refuses what is not."""
    bundle, key = tmp_path / "run.amas", tmp_path / "audit.pub"
    bundle.write_bytes(genuine)
    key.write_text(Key().verifier)
    done = bare_python(str(bundle), "--key", str(key))
    assert done.returncode == amas_verify.VERIFIED, done.stderr
    assert done.stdout.startswith("verified: run run-1 of tenant acme: 6 events")
    assert "amas" not in bare_python("--help").stderr
    bundle.write_bytes(genuine.replace(b"developer", b"somebody-"))
    told = json.loads(bare_python(str(bundle), "--key", str(key), "--json").stdout)
    assert told["verdict"] == "failed"
    key.write_text("no key")
    assert bare_python(str(bundle), "--key", str(key)).returncode == amas_verify.UNUSABLE
    assert bare_python(str(tmp_path / "none"), "--key", str(key)).returncode == amas_verify.UNUSABLE


def test_a_quorum_of_witnesses_can_be_demanded(bare_python: Any, tmp_path: Path) -> None:
    """By the printed file too: what it demands is there, is missing, or is false."""
    one, two = Witness(), Witness(51, "witness.test/2")
    members = lines(approved_run())
    note = members[0]["checkpoint"]
    key, keys = tmp_path / "audit.pub", [tmp_path / "w1.pub", tmp_path / "w2.pub"]
    key.write_text(Key().verifier)
    for file, witness in zip(keys, (one, two), strict=True):
        file.write_text(witness.verifier)
    bundle = tmp_path / "run.jsonl"
    demands = [*("--witness", str(keys[0])), *("--witness", str(keys[1]))]
    for lines_under, quorum, expected in (
        (one.line(note) + two.line(note), "2", amas_verify.VERIFIED),
        (one.line(note), "1", amas_verify.VERIFIED),
        (one.line(note), "2", amas_verify.FAILED),
        ("", "1", amas_verify.FAILED),
        (one.line(note.replace("6", "7", 1)), "1", amas_verify.FAILED),
        (one.line(note), "3", amas_verify.UNUSABLE),
    ):
        members[0]["checkpoint"] = note + lines_under
        bundle.write_bytes(export_bytes(members))
        done = bare_python(str(bundle), "--key", str(key), *demands, "--quorum", quorum)
        assert done.returncode == expected, (lines_under, quorum, done.stdout, done.stderr)


def test_every_changed_byte_is_found(genuine: bytes) -> None:
    """I9: a flipped bit in any byte of the file, headers and padding too, never passes, and never raises."""
    assert verify(genuine).code == amas_verify.VERIFIED
    passed = []
    for position in range(len(genuine)):
        changed = bytearray(genuine)
        changed[position] ^= 1 << (position % 8)
        if verify(bytes(changed)).code != amas_verify.FAILED:
            passed.append(position)
    assert passed == []


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_replaced_part_passes(genuine: bytes, data: st.DataObject) -> None:
    """I9: any part replaced by any bytes, longer or shorter or none, is found."""
    start = data.draw(st.integers(0, len(genuine)))
    end = data.draw(st.integers(start, min(len(genuine), start + 2048)))
    changed = genuine[:start] + data.draw(st.binary(max_size=64)) + genuine[end:]
    if changed != genuine:
        assert verify(changed).code == amas_verify.FAILED


def test_a_file_that_was_cut_anywhere_is_refused(genuine: bytes) -> None:
    """I9, for every length."""
    assert {verify(genuine[:length]).code for length in range(0, len(genuine), 13)} == {amas_verify.FAILED}


def drop(members: list[Any]) -> None:
    del members[3]


def double(members: list[Any]) -> None:
    members.insert(3, members[3])


def swap(members: list[Any]) -> None:
    members[3], members[4] = members[4], members[3]


def swap_leaves(members: list[Any]) -> None:
    members[3]["leaf"], members[4]["leaf"] = members[4]["leaf"], members[3]["leaf"]


def shorten_proof(members: list[Any]) -> None:
    members[2]["proof"].pop()


def lengthen_proof(members: list[Any]) -> None:
    members[2]["proof"].append(members[2]["proof"][0])


def sign_with_another_key(members: list[Any]) -> None:
    forged = lines(approved_run(), Key(seed=2))
    members[:] = forged


def name_another_run(members: list[Any]) -> None:
    members[0]["run"] = "run-2"


@pytest.mark.parametrize(
    "change",
    [drop, double, swap, swap_leaves, shorten_proof, lengthen_proof, sign_with_another_key, name_another_run],
)
def test_a_bundle_packed_anew_after_a_change_is_refused(change: Callable[[list[Any]], None], tmp_path: Path) -> None:
    """Whoever changes the export and makes a new, well-formed file of it is found by signature, proofs and sequence."""
    members = lines(approved_run())
    change(members)
    if members[-1]["kind"] == "footer":
        members[-1]["entries"] = len(members) - 2
    report = verify(replay_bundle(tmp_path, members).read_bytes())
    assert report.code == amas_verify.FAILED


def change_approval(place: int, **data: Any) -> Callable[[list[Any]], None]:
    def change(events: list[Any]) -> None:
        events[place]["data"].update(data)

    return change


def by_the_requester(events: list[Any]) -> None:
    events[2]["data"]["answers"][0]["approver"] = "developer"
    events[3]["data"]["approvers"] = ["developer"]


def from_another_group(events: list[Any]) -> None:
    events[2]["data"]["answers"][0]["groups"] = ["others"]


def answered_about_another_action(events: list[Any]) -> None:
    events[2]["data"]["answers"][0]["action_digest"] = OTHER


def used_again(events: list[Any]) -> None:
    events.insert(4, events[3])


def used_too_late(events: list[Any]) -> None:
    events[3]["time"] = "2026-11-23T11:00:00.000000001Z"


def quorum_of_two(events: list[Any]) -> None:
    events[1]["data"]["requirement"]["quorum"] = 2


def never_used(events: list[Any]) -> None:
    del events[3]


def other_arguments(events: list[Any]) -> None:
    events[4]["data"]["action"]["digest"] = OTHER


def another_contract(events: list[Any]) -> None:
    events[4]["roleversion"] = "2"


@pytest.mark.parametrize(
    "change",
    [
        change_approval(1, action_digest=OTHER),
        change_approval(2, state="rejected"),
        change_approval(2, approved_digest=OTHER),
        change_approval(3, actionDigest=OTHER),
        change_approval(3, approvers=["manager", "another"]),
        change_approval(3, approvalId="apr-2"),
        by_the_requester,
        from_another_group,
        answered_about_another_action,
        used_again,
        used_too_late,
        quorum_of_two,
        never_used,
        other_arguments,
        another_contract,
    ],
)
def test_an_approval_that_does_not_fit_its_action_is_found(change: Callable[[list[Any]], None], tmp_path: Path) -> None:
    """I3, for whoever doubts those who signed: a log that is genuine, but in which an approval was misused."""
    events = approved_run()
    change(events)
    report = verify(replay_bundle(tmp_path, lines(events)).read_bytes())
    assert report.code == amas_verify.FAILED
    assert {finding.partition(":")[0] for finding in report.failed} <= {"approvals", "bundles"}


def test_what_was_cut_or_is_not_there_is_incomplete(tmp_path: Path) -> None:
    """Genuine but not whole is another answer than changed: a run that goes on, a bundle that is not in the file."""
    running = verify(replay_bundle(tmp_path, lines(approved_run()[:-1])).read_bytes())
    assert (running.code, running.verdict) == (amas_verify.INCOMPLETE, "incomplete")
    export = tmp_path / "alone.jsonl"
    export.write_bytes(export_bytes(lines(approved_run())))
    write_replay_bundle(export, {}, tmp_path / "without.amas")
    without = verify((tmp_path / "without.amas").read_bytes())
    assert without.code == amas_verify.INCOMPLETE
    assert BUNDLE in without.missing[0]
    assert verify(export.read_bytes()).code == amas_verify.VERIFIED


def test_another_bundle_under_the_digest_is_found(tmp_path: Path) -> None:
    """Policies that are not those of the run cannot pass for them."""
    changed = DOCUMENT.replace(b"writer", b"reader")
    report = verify(replay_bundle(tmp_path, lines(approved_run()), changed).read_bytes())
    assert report.code == amas_verify.FAILED
    assert any(finding.startswith("bundles: ") for finding in report.failed)


def test_contents_are_what_the_events_commit_to() -> None:
    """A content that was changed is found; one that was erased is counted; one that is gone makes it incomplete."""
    salt, data = bytes(range(32)), b'{"said":"hello"}'
    parts = (b"amas.audit.content.v1", salt, b"application/json", data)
    made = amas_verify.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts))
    promise = {
        "commitment": _base64(made),
        "key": "0" * 32,
        "mediatype": "application/json",
        "retention": "standard",
        "size": len(data),
    }
    events = [event("run.started") | {"contents": {"input": promise}}, event("run.ended")]
    given = {"name": "input", "salt": _base64(salt), "data": _base64(data)}

    def report(item: dict[str, str]) -> amas_verify.Report:
        return verify(export_bytes(lines(events, contents=[[item], []])))

    whole = report(given)
    assert (whole.code, whole.counts["contents"]) == (amas_verify.VERIFIED, 1), whole.failed
    assert report({**given, "data": _base64(b'{"said":"hallo"}')}).code == amas_verify.FAILED
    assert report({**given, "salt": _base64(bytes(32))}).code == amas_verify.FAILED
    erased = report({"name": "input", "erasedBy": "erasure:1"})
    assert (erased.code, erased.counts["erased"]) == (amas_verify.VERIFIED, 1)
    assert report({"name": "input"}).code == amas_verify.INCOMPLETE
    assert report({**given, "name": "output"}).code == amas_verify.FAILED


def test_equal_input_gives_equal_files_that_are_read_back(tmp_path: Path) -> None:
    """The container is deterministic, is what `tar` reads, and names nothing outside itself."""
    first = replay_bundle(tmp_path, lines(approved_run())).read_bytes()
    again = replay_bundle(tmp_path, lines(approved_run())).read_bytes()
    assert first == again
    parts = read_replay_bundle(tmp_path / "run.amas")
    assert parts.bundle(BUNDLE) == DOCUMENT
    assert parts.bundle(OTHER) is None
    listed = subprocess.run(["tar", "-tf", str(tmp_path / "run.amas")], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["manifest.json", "export.jsonl", f"bundles/{BUNDLE.replace(':', '-')}.json"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "bundles/../x"])
def test_a_member_with_another_name_is_refused(name: str, genuine: bytes) -> None:
    """No path of a file is ever followed: a name that the format does not have is refused."""
    place = genuine.index(b"export.jsonl\0")
    header = amas_verify.tar_header(name, int(genuine[place + 124 : place + 135], 8))
    assert verify(genuine[:place] + header + genuine[place + 512 :]).code == amas_verify.FAILED


def _base64(data: bytes) -> str:
    return amas_verify.base64.b64encode(data).decode()


def test_a_key_signs_only_while_it_was_in_use(genuine: bytes) -> None:
    """After a change of keys an auditor holds both; one that was retired, and may have leaked, signs nothing new."""

    def code(text: str) -> int:
        return amas_verify.verify(io.BytesIO(genuine), amas_verify.keys_in(text)).code

    ours, other = Key().verifier, Key(seed=2).verifier
    assert code(f"# the log's keys\n\n{other} until=3\n{ours} from=4\n") == amas_verify.VERIFIED
    assert code(f"{ours} until=5\n{other} from=6\n") == amas_verify.FAILED
    assert code(other) == amas_verify.FAILED
    bounds = ("since=1", "from=x", "until=" + "9" * 5000, "until=1 until=2", "from=2 until=1")
    other_log = Key(name="log.example").verifier
    for wrong in (
        "",
        "# nothing",
        *(f"{ours} {bound}" for bound in bounds),
        "a+b+c",
        ours[:-1],
        f"{ours}\n{other_log}",
    ):
        with pytest.raises(amas_verify.Refused):
            amas_verify.keys_in(wrong)
        with pytest.raises(KeyRefusedError):
            KeyRing.parse(wrong)


def test_while_keys_change_either_is_enough(tmp_path: Path) -> None:
    """The log names its newest key; an auditor who holds the one before it verifies what both signed."""
    old, new = Key(), Key(seed=2)
    members = lines(approved_run(), new)
    body = members[0]["checkpoint"].split("\n\n")[0] + "\n"
    alone = replay_bundle(tmp_path, members).read_bytes()
    assert verify(alone).code == amas_verify.FAILED
    members[0]["checkpoint"] += old.sign(body).split("\n\n")[1]
    assert verify(replay_bundle(tmp_path, members).read_bytes()).code == amas_verify.VERIFIED
    members[0]["verifierKey"] = Key(seed=3).verifier
    assert verify(replay_bundle(tmp_path, members).read_bytes()).code == amas_verify.FAILED
