from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from amas_cli.audit_trail import Check, KeyRefusedError, Report, Verdict, WitnessKey, read_entries, verify

from .exports import ORIGIN, Export, Key, Witness, leaf, make_entry, make_export, run_types


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def check(export: Export, target: Path, key: Key | None = None) -> Report:
    return verify(export.write(target), (key or Key()).verifier)


@pytest.mark.parametrize("count", [2, 3, 8, 33])
def test_a_genuine_whole_run_is_verified(count: int, target: Path) -> None:
    """The promise to an auditor: what was not touched passes."""
    report = check(make_export(run_types(count)), target)
    assert report.verdict is Verdict.VERIFIED, report.findings
    assert (report.entries, report.tree_size, report.findings) == (count, 2 * count, ())
    assert report.summary().startswith("run run-1 of tenant acme: audit verified")


def test_every_single_changed_byte_is_found(target: Path) -> None:
    """I9: a flipped bit in any byte of the file, in whatever field it is, never passes, and never raises."""
    genuine = b"".join(make_export(run_types(3)).lines())
    key = Key().verifier
    passed = []
    for position in range(len(genuine)):
        changed = bytearray(genuine)
        changed[position] ^= 1 << (position % 8)
        target.write_bytes(changed)
        if verify(target, key).verdict is not Verdict.FAILED:
            passed.append(position)
    assert passed == []


def witnessed(*lines: str) -> Export:
    """A whole run whose checkpoint has these lines too."""
    export = make_export(run_types(3))
    export.header["checkpoint"] += "".join(lines)
    return export


def test_a_quorum_of_witnesses_can_be_demanded(target: Path) -> None:
    """I9: a fork that the log's key signed gets no witness's name; a key that is given twice counts once."""
    one, two = Witness(), Witness(51, "witness.test/2")
    keys = [WitnessKey.parse(witness.verifier) for witness in (one, two)]
    note = make_export(run_types(3)).header["checkpoint"]
    cases = [
        (one.line(note), keys, 1, Verdict.VERIFIED),
        (one.line(note) + two.line(note), keys, 2, Verdict.VERIFIED),
        (one.line(note), keys, 2, Verdict.FAILED),
        (one.line(note), [keys[0], keys[0]], 2, Verdict.FAILED),
        (two.line(note), keys[:1], 1, Verdict.FAILED),
        ("", keys, 1, Verdict.FAILED),
        ("", (), 0, Verdict.VERIFIED),
    ]
    for lines, given, quorum, expected in cases:
        report = verify(witnessed(lines).write(target), Key().verifier, given, quorum)
        assert report.verdict is expected, (lines, quorum, report.findings)


def test_a_false_cosignature_is_found(target: Path) -> None:
    """Of another checkpoint, or of another's key under the witness's name."""
    witness, other = Witness(), Witness(52)
    note = make_export(run_types(3)).header["checkpoint"]
    forged = other.line(note).encode()
    stolen = base64.b64decode(forged.decode().split()[-1])
    named = base64.b64encode(witness.key_id + stolen[4:]).decode()
    for line in (witness.line(note.replace("6", "7", 1)), f"— {witness.name} {named}\n"):
        report = verify(witnessed(line).write(target), Key().verifier, [WitnessKey.parse(witness.verifier)], 1)
        assert report.verdict is Verdict.FAILED
        assert "cosignature" in str(report.findings[0])


def test_every_truncation_is_found(target: Path) -> None:
    """I9: a file that was cut anywhere never passes."""
    genuine = b"".join(make_export(run_types(3)).lines())
    for length in range(0, len(genuine), 7):
        target.write_bytes(genuine[:length])
        assert verify(target, Key().verifier).verdict is Verdict.FAILED, length


def drop_middle(export: Export) -> None:
    del export.entries[2]


def drop_middle_and_recount(export: Export) -> None:
    del export.entries[2]
    export.footer["entries"] -= 1


def drop_first_and_recount(export: Export) -> None:
    del export.entries[0]
    export.footer["entries"] -= 1


def double(export: Export) -> None:
    export.entries.insert(2, export.entries[2])
    export.footer["entries"] += 1


def swap(export: Export) -> None:
    export.entries[1], export.entries[2] = export.entries[2], export.entries[1]


def insert_invented(export: Export) -> None:
    invented = dict(export.entries[2], leaf=leaf(4, "dev.amas.action.intent", tool="shell/rm").decode())
    export.entries.insert(3, invented)
    export.footer["entries"] += 1


def change_content(export: Export) -> None:
    export.entries[2]["leaf"] = export.entries[2]["leaf"].replace("git_log", "git_tag")


def renumber(export: Export) -> None:
    export.entries[2]["index"] += 2


def change_proof(export: Export) -> None:
    export.entries[2]["proof"][0] = base64.b64encode(bytes(32)).decode()


def shorten_proof(export: Export) -> None:
    export.entries[2]["proof"].pop()


def lengthen_proof(export: Export) -> None:
    export.entries[2]["proof"].append(base64.b64encode(bytes(32)).decode())


def claim_other_tenant(export: Export) -> None:
    export.header["tenant"] = "other"


def claim_other_run(export: Export) -> None:
    export.header["run"] = "run-2"


def claim_other_origin(export: Export) -> None:
    export.header["origin"] = "evil.test/audit"


def forge_signature(export: Export) -> None:
    body = export.header["checkpoint"].split("\n\n")[0] + "\n"
    key = Key()
    forged = base64.b64encode(key.key_id + bytes(64)).decode()
    export.header["checkpoint"] = f"{body}\n— {key.name} {forged}\n"


def sign_with_another_key(export: Export) -> None:
    body = export.header["checkpoint"].split("\n\n")[0] + "\n"
    export.header["checkpoint"] = Key(seed=2).sign(body)


def rewrite_with_another_key(export: Export) -> None:
    sign_with_another_key(export)
    export.header["verifierKey"] = Key(seed=2).verifier


def drop_footer_count(export: Export) -> None:
    export.footer["entries"] = 1


def change_footer_size(export: Export) -> None:
    export.footer["treeSize"] += 1


def empty(export: Export) -> None:
    export.entries.clear()
    export.footer["entries"] = 0


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (drop_middle, Check.SEQUENCE),
        (drop_middle_and_recount, Check.SEQUENCE),
        (drop_first_and_recount, Check.SEQUENCE),
        (double, Check.SEQUENCE),
        (swap, Check.SEQUENCE),
        (insert_invented, Check.INCLUSION),
        (change_content, Check.INCLUSION),
        (renumber, Check.INCLUSION),
        (change_proof, Check.INCLUSION),
        (shorten_proof, Check.INCLUSION),
        (lengthen_proof, Check.INCLUSION),
        (claim_other_tenant, Check.SCOPE),
        (claim_other_run, Check.SCOPE),
        (claim_other_origin, Check.ORIGIN),
        (forge_signature, Check.SIGNATURE),
        (sign_with_another_key, Check.SIGNATURE),
        (rewrite_with_another_key, Check.SIGNATURE),
        (drop_footer_count, Check.COUNT),
        (change_footer_size, Check.COUNT),
        (empty, Check.COUNT),
    ],
)
def test_tampering_that_keeps_the_form_is_found(tamper: Callable[[Export], None], found: Check, target: Path) -> None:
    """I9: whoever writes a well-formed file, without the key, is found out, and told in a sentence by what."""
    export = make_export(run_types(6))
    tamper(export)
    report = check(export, target)
    assert report.verdict is Verdict.FAILED
    assert found in report.failed_checks(), report.findings
    assert "NOT verified" in report.summary()


def test_an_entry_of_another_run_is_found_although_the_tree_holds_it(target: Path) -> None:
    """I8: a genuine entry of another tenant cannot be passed off as one of this run."""
    export = make_export(run_types(4))
    export.entries[1] = make_entry(export.entries[1]["index"] + 1, export.leaves)
    assert json.loads(export.entries[1]["leaf"])["tenant"] == "other"
    report = check(export, target)
    assert Check.SCOPE in report.failed_checks()
    assert Check.INCLUSION not in report.failed_checks()


def test_the_wrong_key_is_named(target: Path) -> None:
    """An auditor who holds another key is told so, and does not think that the log was forged."""
    report = check(make_export(run_types(3)), target, Key(seed=9))
    assert report.verdict is Verdict.FAILED
    assert "names another public key" in report.summary()


@pytest.mark.parametrize(
    "types",
    [
        run_types(5)[:-1],
        run_types(5)[1:],
        [*run_types(5), "dev.amas.action.intent"],
        ["dev.amas.run.ended", "dev.amas.run.started"],
    ],
)
def test_a_run_without_its_beginning_or_end_is_incomplete(types: list[str], target: Path) -> None:
    """What is genuine but not whole is told apart from what is forged."""
    report = check(make_export(types), target)
    assert report.verdict is Verdict.INCOMPLETE
    assert report.failed_checks() == {Check.COMPLETENESS}


def test_being_looked_at_after_its_end_does_not_make_a_run_incomplete(target: Path) -> None:
    """An access to the record is recorded too, and must not spoil the record."""
    report = check(make_export([*run_types(4), "dev.amas.audit.read", "dev.amas.access.denied"]), target)
    assert report.verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hello\n",
        b"[]\n",
        b'{"kind":["header"]}\n',
        b'{"kind":"header"}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"kind":"entry","index":0,"leaf":"\\ud800","proof":[],"contents":[]}\n',
        b'{"kind":"footer","entries":' + b"9" * 5000 + b',"treeSize":0}\n',
        b'{"kind":"footer","entries":0,"treeSize":0}\n',
    ],
)
def test_what_is_no_export_is_refused_in_a_sentence(content: bytes, target: Path) -> None:
    """I11: nonsense gives a finding, never a stack trace."""
    target.write_bytes(content)
    report = verify(target, Key().verifier)
    assert report.verdict is Verdict.FAILED
    assert report.findings


def test_a_missing_file_is_a_finding(target: Path) -> None:
    """I11: no file, no stack trace."""
    assert "cannot be read" in verify(target, Key().verifier).summary()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "amas.test/audit",
        "a+b",
        f"other+{Key().key_id.hex()}+{base64.b64encode(Key().typed).decode()}",
        f"{ORIGIN}+00000000+{base64.b64encode(Key().typed).decode()}",
        f"{Key().name}+{Key().key_id.hex()}+!!!",
        Key().verifier[:-4],
        Key().verifier.replace("audit", "au dit"),
    ],
)
def test_a_key_that_is_none_is_refused_before_anything_is_read(text: str, target: Path) -> None:
    """A mistyped key is told apart from a forged log."""
    with pytest.raises(KeyRefusedError):
        verify(make_export(run_types(3)).write(target), text)


def test_findings_are_bounded(target: Path) -> None:
    """A file full of faults cannot fill the reader's memory."""
    export = make_export(run_types(130))
    for entry in export.entries:
        entry["leaf"] = entry["leaf"].replace("git_log", "git_tag")
    report = check(export, target)
    assert len(report.findings) == 100
    assert report.more_findings == 30


def test_an_unverified_name_cannot_steer_the_terminal(target: Path) -> None:
    """What a forged file says about itself is shown without its control characters."""
    export = make_export(run_types(3))
    export.header["run"] = "run\x1b[2J"
    assert "\x1b" not in check(export, target).summary()


def test_a_report_is_json(target: Path) -> None:
    """`amas audit verify -o json` has all of it."""
    report = check(make_export(run_types(3)[:-1]), target)
    shown = json.loads(json.dumps(report.to_dict()))
    assert shown["verdict"] == "incomplete"
    assert shown["findings"][0]["check"] == "completeness"


def test_the_events_of_an_export_can_be_read(target: Path) -> None:
    """`amas audit show` reads what the tree holds, byte for byte."""
    entries = list(read_entries(make_export(run_types(3)).write(target)))
    assert [entry.members["runsequence"] for entry in entries] == [1, 2, 3]
    assert [entry.index for entry in entries] == [1, 3, 5]
