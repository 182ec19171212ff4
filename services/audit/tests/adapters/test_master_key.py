from __future__ import annotations

import base64
from pathlib import Path

import pytest
from amas_audit.adapters.master_key import MasterKeys, read_master_keys
from amas_audit.domain.errors import ContentDamagedError, NotReadyError
from amas_audit.domain.sealing import new_key

SUBJECT = ("acme", "alice", "standard")


def write(path: Path, *keys: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_text("".join(base64.b64encode(key).decode() + "\n" for key in keys))
    return path


def test_a_key_is_unwrapped_for_its_own_subject_alone(tmp_path: Path) -> None:
    """Whoever can write to the table cannot give one subject's key to another, and so outlive an erasure."""
    masters = read_master_keys(write(tmp_path / "keys", bytes(32)))
    key = new_key(SUBJECT)
    wrapped = masters.wrap(key)
    assert masters.unwrap(key.id, SUBJECT, wrapped) == key
    assert key.secret not in wrapped
    other = "0" * 32
    for key_id, subject, stored in (
        (other, SUBJECT, wrapped),
        (key.id, ("acme", "bob", "standard"), wrapped),
        (key.id, SUBJECT, wrapped[:-1]),
        (key.id, SUBJECT, b""),
    ):
        with pytest.raises(ContentDamagedError):
            masters.unwrap(key_id, subject, stored)
    with pytest.raises(ContentDamagedError, match="no master key"):
        MasterKeys([bytes(range(32))]).unwrap(key.id, SUBJECT, wrapped)


def test_the_first_key_wraps_and_all_unwrap(tmp_path: Path) -> None:
    """A rotation: the new key on top, the old one below."""
    old, new = bytes(32), bytes(range(32))
    key = new_key(SUBJECT)
    wrapped = MasterKeys([old]).wrap(key)
    both = read_master_keys(write(tmp_path / "keys", new, old))
    assert both.unwrap(key.id, SUBJECT, wrapped) == key
    assert MasterKeys([new]).unwrap(key.id, SUBJECT, both.wrap(key)) == key


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b"nonsense\n", "key 1 of the master key file"), (b"AAAA\n", "is not 32 bytes in base64")],
)
def test_a_file_that_holds_no_keys_is_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    """The operator is told what is wrong, without what the file holds."""
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(NotReadyError, match=sentence) as refused:
        read_master_keys(path)
    assert "nonsense" not in str(refused.value)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A master key that was seen protects nothing."""
    path = write(tmp_path / "keys", bytes(32))
    path.chmod(0o640)
    with pytest.raises(NotReadyError, match="chmod 600"):
        read_master_keys(path)
    with pytest.raises(NotReadyError, match="AMAS_AUDIT_MASTER_KEY_FILE is not set"):
        read_master_keys(None)


def test_a_file_that_is_too_long_is_not_cut(tmp_path: Path) -> None:
    """Its last keys would be gone without a word, and what they wrap with them."""
    with pytest.raises(NotReadyError, match="more than"):
        read_master_keys(write(tmp_path / "keys", *(bytes([number]) * 32 for number in range(256)), *[bytes(32)] * 200))
