from __future__ import annotations

import pytest
from amas_cli.audit_trail import KeyRefusedError, KeyRing, NoteRefusedError

from tests.tlogs import LogKey, checkpoint, leaf

LEAVES = [leaf(number) for number in range(10)]
OLD, NEW = LogKey(1), LogKey(2)


def test_any_of_the_keys_opens_and_all_that_signed_are_named() -> None:
    """While keys are changed, holders of the old and of the new one both accept the log."""
    note = checkpoint(LEAVES, NEW, OLD)
    for text, signers in ((OLD.verifier, 1), (NEW.verifier, 1), (f"{OLD.verifier}\n{NEW.verifier}\n", 2)):
        opened = KeyRing.parse(text).open(note)
        assert opened.checkpoint.size == 10
        assert len(opened.signed_by) == signers


def test_a_retired_key_signs_no_later_tree() -> None:
    """A key that leaks after it was retired is of no use for what came later."""
    keys = KeyRing.parse(f"# the log's keys\n{OLD.verifier} until=9\n\n{NEW.verifier} from=9\n")
    assert keys.open(checkpoint(LEAVES[:9], OLD)).checkpoint.size == 9
    with pytest.raises(NoteRefusedError, match="not in use at that size"):
        keys.open(checkpoint(LEAVES, OLD))
    with pytest.raises(NoteRefusedError, match="not in use at that size"):
        keys.open(checkpoint(LEAVES[:8], NEW))
    assert [key.name for key in keys.open(checkpoint(LEAVES, OLD, NEW)).signed_by] == [NEW.name]


def test_a_known_key_whose_signature_does_not_fit_refuses_the_whole_note() -> None:
    """C2SP signed-note: beside a signature that fits, a bad one says that somebody was at work."""
    good = checkpoint(LEAVES, NEW)
    note = good + OLD.line("another body\n")
    with pytest.raises(NoteRefusedError, match="forged"):
        KeyRing.parse(f"{OLD.verifier}\n{NEW.verifier}").open(note)
    assert KeyRing.parse(NEW.verifier).open(note).checkpoint.size == 10


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "name\\+id\\+key"),
        (f"{OLD.verifier} sometime", "neither from=SIZE nor until=SIZE"),
        (f"{OLD.verifier} from=-1", "neither"),
        (f"{OLD.verifier} from=5 until=4", "ends before it begins"),
        (f"{OLD.verifier} from=5 from=6", "neither"),
        (f"{OLD.verifier}\n{LogKey(1, 'another/log').verifier}", "several logs"),
        (f"{OLD.verifier}\nnonsense", "line 2"),
    ],
)
def test_a_key_file_that_is_none_is_refused_with_its_line(text: str, problem: str) -> None:
    """A reader who trusts the wrong keys trusts nothing."""
    with pytest.raises(KeyRefusedError, match=problem):
        KeyRing.parse(text)
