"""What a witness cosigns and what it refuses, with a state on a real disk."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path

import pytest
from amas_witness.notes import Cosigner, LogKey, NoteError
from amas_witness.requests import AddCheckpoint
from amas_witness.state import State, StateError
from amas_witness.witness import Cosigned, Refused, Witness
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.tlogs import ORIGIN, checkpoint, leaf
from tests.tlogs import LogKey as SigningKey

from .proofs import body, prove

LEAVES = [leaf(number) for number in range(70)]
FORKED = [leaf(10**6), *LEAVES[1:]]
KEY = SigningKey()


class Place:
    """A witness that can be started again on the same state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = [LogKey.parse(KEY.verifier)]
        self.cosigner = Cosigner("witness.test/w", Ed25519PrivateKey.generate())
        self.start()

    def start(self) -> None:
        self.state = State(self.folder)
        self.witness = Witness(self.cosigner, lambda: {ORIGIN: self.keys}, self.state, now=lambda: 1_800_000_000.9)

    def again(self) -> None:
        self.state.close()
        self.start()

    async def ask(self, old: int, leaves: list[bytes], *keys: SigningKey) -> Cosigned | Refused:
        note = checkpoint(leaves, *(keys or (KEY,)))
        return await self.witness.add_checkpoint(AddCheckpoint.parse(body(old, prove(old, leaves), note)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state")


async def test_a_log_that_goes_on_is_cosigned_through_restarts(place: Place) -> None:
    """Every size after every other; what was seen outlives the process."""
    old = 0
    for size in (0, 1, 2, 3, 4, 7, 8, 9, 31, 33, 64, 64, 70):
        answer = await place.ask(old, LEAVES[:size])
        assert isinstance(answer, Cosigned), (old, size, answer)
        assert answer.lines.startswith("— witness.test/w ")
        place.again()
        old = size


async def test_a_fork_is_refused_for_ever(place: Place) -> None:
    """The promise: no two trees that do not continue one another get this witness's name under them."""
    assert isinstance(await place.ask(0, LEAVES[:40]), Cosigned)
    for _ in range(2):
        same_size = await place.ask(40, FORKED[:40])
        assert isinstance(same_size, Refused)
        assert (same_size.status, same_size.size) == (HTTPStatus.CONFLICT, None)
        longer = await place.ask(40, FORKED[:50])
        assert isinstance(longer, Refused)
        assert longer.status == HTTPStatus.UNPROCESSABLE_ENTITY
        place.again()
    assert isinstance(await place.ask(40, LEAVES[:50]), Cosigned)


async def test_who_is_behind_or_ahead_is_told_the_size(place: Place) -> None:
    """A client without a memory asks from zero, and learns where to begin."""
    assert isinstance(await place.ask(0, LEAVES[:40]), Cosigned)
    for old, leaves in ((0, LEAVES[:50]), (39, LEAVES[:50]), (41, LEAVES[:50]), (30, LEAVES[:30])):
        refused = await place.ask(old, leaves)
        assert isinstance(refused, Refused)
        assert (refused.status, refused.size) == (HTTPStatus.CONFLICT, 40)


async def test_who_signed_is_checked_first(place: Place) -> None:
    """Only the log's own keys count, an unknown log is not witnessed, and a bad signature of a known key spoils all."""
    stranger = SigningKey(9)
    refused = await place.ask(0, LEAVES[:5], stranger)
    assert isinstance(refused, Refused)
    assert refused.status == HTTPStatus.FORBIDDEN
    note = checkpoint(LEAVES[:5], KEY) + KEY.line("another\n")
    refused = await place.witness.add_checkpoint(AddCheckpoint.parse(body(0, [], note)))
    assert isinstance(refused, Refused)
    assert refused.status == HTTPStatus.FORBIDDEN
    other = checkpoint(LEAVES[:5], SigningKey(1, "another/log"), origin="another/log")
    refused = await place.witness.add_checkpoint(AddCheckpoint.parse(body(0, [], other)))
    assert isinstance(refused, Refused)
    assert refused.status == HTTPStatus.NOT_FOUND
    # A key that was added beside the old one counts at once.
    place.keys.append(LogKey.parse(stranger.verifier))
    assert isinstance(await place.ask(0, LEAVES[:5], stranger), Cosigned)


async def test_of_two_at_once_one_continues(place: Place) -> None:
    """The race of the specification: two requests from one old size, and no roll-back by the slower one."""
    assert isinstance(await place.ask(0, LEAVES[:10]), Cosigned)
    answers = await asyncio.gather(*(place.ask(10, LEAVES[:size]) for size in range(11, 31)))
    good = [answer for answer in answers if isinstance(answer, Cosigned)]
    assert len(good) == 1
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len({answer.size for answer in refused}) == 1
    place.again()
    last = place.state.last(ORIGIN)
    assert last is not None
    assert {last.size} == {answer.size for answer in refused}


async def test_a_state_that_cannot_be_read_stops_the_witness(place: Place) -> None:
    """To begin anew would be to forget; nothing is cosigned until a human has looked."""
    assert isinstance(await place.ask(0, LEAVES[:10]), Cosigned)
    file = next(place.folder.glob("*.checkpoint"))
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(StateError, match="cannot be read"):
        await place.ask(10, LEAVES[:11])


async def test_what_cannot_be_kept_is_not_cosigned(place: Place) -> None:
    """On disk first, then the name under it."""
    assert isinstance(await place.ask(0, LEAVES[:10]), Cosigned)
    file = next(place.folder.glob("*.checkpoint"))
    file.with_suffix(".new").mkdir()
    with pytest.raises(StateError, match="cannot be kept"):
        await place.ask(10, LEAVES[:11])
    file.with_suffix(".new").rmdir()
    last = place.state.last(ORIGIN)
    assert last is not None
    assert last.size == 10


def test_two_witnesses_do_not_share_a_state(place: Place) -> None:
    """Each would undo what the other has seen."""
    with pytest.raises(StateError, match="another witness"):
        State(place.folder)


NOTE = checkpoint(LEAVES[:5], KEY)
HASH = "A" * 43 + "="


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\xff",
        NOTE.encode(),
        f"old\n\n{NOTE}".encode(),
        f"old -1\n\n{NOTE}".encode(),
        f"old 01\n\n{NOTE}".encode(),
        f"old 6\n\n{NOTE}".encode(),
        f"old 0\n{HASH}\n\n{NOTE}".encode(),
        f"old 5\n{HASH}\n\n{NOTE}".encode(),
        f"old 3\nnonsense\n\n{NOTE}".encode(),
        f"old 3\nAAAA\n\n{NOTE}".encode(),
        f"old 3\n{HASH[:-2]}B=\n\n{NOTE}".encode(),
        ("old 3\n" + f"{HASH}\n" * 64 + "\n" + NOTE).encode(),
        f"old 99999999999999999999999\n\n{NOTE}".encode(),
        f"old 3\n{HASH}\n\n{NOTE[:-1]}".encode(),
        f"old 3\n{HASH}\n\n{NOTE.replace('—', '-')}".encode(),
        f"old 0\n\nlog\n5\n\n{NOTE}".encode(),
    ],
)
def test_a_body_that_is_none_is_refused_in_words(sent: bytes) -> None:
    """I11: a precise error, and nothing is changed."""
    with pytest.raises(NoteError, match=" "):
        AddCheckpoint.parse(sent)
