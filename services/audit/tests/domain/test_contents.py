from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from amas_audit.domain.contents import commit
from amas_audit.domain.errors import ContentDamagedError
from amas_audit.domain.leaf import decode
from amas_audit.domain.model import Event
from amas_audit.domain.sealing import Sealer, Subject, new_key, open_sealed
from amas_audit.domain.sequencing import Plan, Recorded, plan
from amas_chassis.errors import AmasError

from ..logs import content, event, submission

# Made by hand after docs/audit-events.md, with nothing of this project: it must never change.
BY_HAND = (
    "0000000000000015616d61732e61756469742e636f6e74656e742e7631"
    "0000000000000020" + "07" * 32 + "000000000000000a746578742f706c61696e" + "00000000000000026869"
)


def placed(sealer: Sealer, *events: Event, known: dict[tuple[str, str], Recorded] | None = None) -> Plan:
    return plan([submission(*events)], size=0, known=known or {}, runs={}, sealer=sealer)


def conflict(made: Plan) -> bool:
    outcome = made.outcomes[0]
    return isinstance(outcome, AmasError) and outcome.reason == "EVENT_CONFLICT"


def test_a_commitment_is_what_the_page_says() -> None:
    """A stranger who follows docs/audit-events.md comes to the same bytes."""
    assert commit(b"\x07" * 32, "text/plain", b"hi") == hashlib.sha256(bytes.fromhex(BY_HAND)).digest()


def test_parts_cannot_be_moved_between_neighbours() -> None:
    """Each part has its length before it: no two contents share a commitment."""
    salt = bytes(32)
    assert commit(salt, "text/plain", b"xhi") != commit(salt, "text/plainx", b"hi")


def test_a_leaf_holds_nothing_of_a_content() -> None:
    """What is erased later must not stand in the tree now: neither data nor whose it is."""
    made = placed(Sealer(), event(1, contents=(content(b'"the-secret-word"', subject="alice@example.com"),)))
    leaf = made.entries[0].leaf
    assert b"the-secret-word" not in leaf
    assert b"alice" not in leaf
    assert b"the-secret-word" not in made.entries[0].ciphertexts[0]


def test_equal_contents_of_two_events_look_unlike() -> None:
    """A commitment does not tell whether somebody said the same twice, nor can a short content be guessed."""
    made = placed(Sealer(), event(1, contents=(content(b"1"),)), event(2, contents=(content(b"1"),)))
    first, second = (entry.event.sealed[0] for entry in made.entries)
    assert first.key == second.key
    assert first.commitment != second.commitment


def test_a_subject_and_a_class_have_a_key_of_their_own() -> None:
    """So that one can be erased without the other."""
    contents = (
        content(name="a", subject="alice"),
        content(name="b", subject="bob"),
        content(name="c", subject="alice", retention="short"),
        content(name="d", subject="alice"),
    )
    sealed = placed(Sealer(), event(1, contents=contents)).entries[0].event.sealed
    assert len({one.key for one in sealed}) == 3
    assert sealed[0].key == sealed[3].key


def test_a_retry_with_its_contents_is_a_duplicate_and_one_with_others_a_conflict() -> None:
    """Idempotent by id, though a commitment is salted: also in one group, also in another order."""
    contents = (content(b"1", name="input"), content(b"2", name="rules"))
    sealer = Sealer()
    first = event(1, contents=contents)
    again = replace(first, contents=contents[::-1])
    made = placed(sealer, first, again)
    assert [place.duplicate for place in made.outcomes[0]] == [False, True]  # type: ignore[union-attr]
    known = {("acme", "event-1"): Recorded(0, 1, made.entries[0].leaf)}
    later = Sealer({}, sealer.made)
    assert not conflict(placed(later, again, known=known))
    for changed in (
        (contents[0],),
        (),
        (contents[0], content(b"3", name="rules")),
        (contents[0], content(b"2", name="others")),
        (contents[0], content(b"2", name="rules", subject="bob")),
        (contents[0], content(b"2", name="rules", retention="short")),
        (contents[0], replace(contents[1], media_type="text/plain")),
    ):
        assert conflict(placed(later, replace(first, contents=changed), known=known)), changed


def test_a_retry_after_an_erasure_is_compared_by_what_is_left() -> None:
    """A sender that asks again is answered as before, and its data does not come back."""
    made = placed(Sealer(), event(1, contents=(content(b"1"),)))
    known = {("acme", "event-1"): Recorded(0, 1, made.entries[0].leaf)}
    again = placed(Sealer(), event(1, contents=(content(b"1"),)), known=known)
    assert not conflict(again)
    assert again.entries == ()
    assert conflict(placed(Sealer(), event(1, contents=(content(b"12"),)), known=known))


def test_a_ciphertext_counts_in_its_own_place_alone() -> None:
    """Whoever can write to the table cannot pass one content off as another."""
    sealer = Sealer()
    made = placed(sealer, event(1, contents=(content(b"1"),)), event(2, contents=(content(b"2"),)))
    first, second = made.entries
    key = sealer.made[first.event.sealed[0].key]
    recorded = decode(first.leaf)[0]
    opened = open_sealed(recorded, recorded.sealed[0], key, first.ciphertexts[0])
    assert opened.data == b"1"
    assert commit(opened.salt, "application/json", b"1") == recorded.sealed[0].commitment
    for wrong in (second.ciphertexts[0], first.ciphertexts[0][:-1], b"", bytes(40)):
        with pytest.raises(ContentDamagedError):
            open_sealed(recorded, recorded.sealed[0], key, wrong)
    with pytest.raises(ContentDamagedError):
        open_sealed(recorded, recorded.sealed[0], new_key(key.subject), first.ciphertexts[0])


def test_a_key_does_not_show_itself() -> None:
    """A log line or a stack trace with a key in it holds no secret."""
    subject: Subject = ("acme", "alice", "standard")
    key = new_key(subject)
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)
