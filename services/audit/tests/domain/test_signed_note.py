from __future__ import annotations

import base64

import pytest
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.merkle import EMPTY_ROOT
from amas_audit.domain.signed_note import NoteRefusedError, NoteSigner, NoteVerifier, check_key_name
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# The example of Go's golang.org/x/mod/sumdb/note, which the specification grew from.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def signer(seed: int = 1, name: str = "amas.test/audit") -> NoteSigner:
    return NoteSigner(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def test_a_note_of_another_implementation_is_read() -> None:
    """Key ids, line forms and signatures are those of the specification, not ours alone."""
    name, key_id, key = GO_KEY.split("+", 2)
    verifier = NoteVerifier(name, base64.b64decode(key)[1:])
    assert verifier.key_id.hex() == key_id
    assert verifier.encode() == GO_KEY
    assert verifier.open(GO_NOTE) == GO_NOTE.split("\n\n")[0] + "\n"


def test_what_is_signed_is_read() -> None:
    """A note has the form of the specification, and its verifier accepts it."""
    note = signer().sign("log\n5\nroot\n")
    assert note.startswith("log\n5\nroot\n\n— amas.test/audit ")
    assert signer().verifier.open(note) == "log\n5\nroot\n"


def test_signatures_of_others_do_not_matter() -> None:
    """A witness's line beside ours is let be, wherever it stands."""
    ours, theirs = signer().sign("body\n"), signer(2, "witness").sign("body\n")
    witness_line = theirs.split("\n\n")[1]
    assert signer().verifier.open(ours + witness_line) == "body\n"
    head, line = ours.split("\n\n")
    assert signer().verifier.open(f"{head}\n\n{witness_line}{line}") == "body\n"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "body\n",
        "body\n\n",
        "body\n\nno signature\n",
        "body\n\n— amas.test/audit\n",
        "body\n\n— amas.test/audit !!!\n",
        signer(2).sign("body\n"),
        signer(1, "another").sign("body\n"),
        signer().sign("body\n").replace("body", "b0dy"),
        signer().sign("body\n")[:-1],
    ],
)
def test_a_note_that_the_key_did_not_sign_is_refused(note: str) -> None:
    """Nothing passes that was changed, cut or signed by somebody else."""
    with pytest.raises(NoteRefusedError):
        signer().verifier.open(note)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u2003b"])
def test_a_name_that_would_break_the_form_is_refused(name: str) -> None:
    """C2SP signed-note: a key name is not empty and has neither spaces nor a plus sign."""
    with pytest.raises(ValueError, match="cannot name a key"):
        check_key_name(name)


def test_a_body_without_its_newline_is_not_signed() -> None:
    """What could not be read back is never signed."""
    with pytest.raises(ValueError, match="newline"):
        signer().sign("body")


def test_a_checkpoint_survives_its_text() -> None:
    """What a reader parses is what was signed."""
    checkpoint = Checkpoint("amas.test/audit", 0, EMPTY_ROOT)
    assert checkpoint.body() == "amas.test/audit\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert Checkpoint.parse(checkpoint.body()) == checkpoint
    assert Checkpoint.parse(checkpoint.body() + "an extension line\n") == checkpoint


@pytest.mark.parametrize(
    "body",
    ["", "a\n", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\nx\nAAAA\n", "a\n1\n!!\n", "a\n1\nAAAA\n", "\n1\nA\n"],
)
def test_what_is_no_checkpoint_is_refused(body: str) -> None:
    """C2SP tlog-checkpoint: origin, decimal size without leading zeroes, base64 root."""
    with pytest.raises(ValueError, match="checkpoint"):
        Checkpoint.parse(body)
