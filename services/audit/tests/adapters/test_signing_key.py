from __future__ import annotations

from pathlib import Path

import pytest
from amas_audit.adapters.signing_key import KeyFile, read_signing_keys
from amas_audit.domain.errors import NotReadyError
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)


def pem(encryption: KeySerializationEncryption | None = None) -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    return path


def test_a_key_of_ones_own_is_read(path: Path) -> None:
    """The one way that works."""
    content = pem()
    path.write_bytes(content)
    (key,) = read_signing_keys(path)
    assert key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o666])
def test_a_key_that_others_could_use_is_refused(path: Path, mode: int) -> None:
    """A key that was readable by others may have been copied: its signatures prove nothing."""
    path.write_bytes(pem())
    path.chmod(mode)
    with pytest.raises(NotReadyError, match="open to group or others"):
        read_signing_keys(path)


def test_no_key_is_no_start(path: Path) -> None:
    """The service makes no key of its own, whose signatures nobody could attribute."""
    with pytest.raises(NotReadyError, match="AMAS_AUDIT_SIGNING_KEY_FILE is not set"):
        read_signing_keys(None)
    with pytest.raises(NotReadyError, match="cannot be read: No such file"):
        read_signing_keys(path.with_name("none"))
    with pytest.raises(NotReadyError, match="is not a file"):
        read_signing_keys(path.parent)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not an unencrypted PEM"),
        (b"nonsense", "not an unencrypted PEM"),
        (pem(BestAvailableEncryption(b"secret")), "not an unencrypted PEM"),
        (
            generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "not an Ed25519 key",
        ),
    ],
)
def test_another_kind_of_file_is_refused_in_a_sentence(path: Path, content: bytes, problem: str) -> None:
    """An operator is told what is wrong with the file, and never shown what is in it."""
    path.write_bytes(content)
    with pytest.raises(NotReadyError, match=problem) as refused:
        read_signing_keys(path)
    assert "secret" not in str(refused.value)


def test_several_keys_are_read_newest_first(path: Path) -> None:
    """While keys are changed both sign; a file that holds one key twice, or too many, is a mistake."""
    first, second = pem(), pem()
    path.write_bytes(first + b"\n" + second)
    found = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in read_signing_keys(path)]
    assert found == [first, second]
    path.write_bytes(first + first)
    with pytest.raises(NotReadyError, match="a key twice"):
        read_signing_keys(path)
    path.write_bytes(b"".join(pem() for _ in range(5)))
    with pytest.raises(NotReadyError, match="more than 4 keys"):
        read_signing_keys(path)


def test_a_file_that_became_unusable_changes_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log goes on signing with what it has, and says once why; a good file is taken on without a restart."""
    path.write_bytes(pem())
    keys = KeyFile("amas.test/audit", path)
    before = keys.verifier
    path.write_bytes(b"half a fi")
    assert not keys.refresh()
    assert not keys.refresh()
    assert keys.verifier == before
    assert [record.message for record in caplog.records if "stay as they are" in record.message] == [
        f"the signing keys stay as they are: the signing key {path} is not an unencrypted PEM private key"
    ]
    path.write_bytes(pem())
    assert keys.refresh()
    assert keys.verifier != before
    assert not keys.refresh()
    note = keys.sign("body\n")
    assert keys.verifier_of(note) == keys.verifier
