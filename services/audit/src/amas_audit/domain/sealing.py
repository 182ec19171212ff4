"""Seals contents: commitment and ciphertext under a key of the content's subject.

A salt is derived from the subject's key, the event's id and the content's name, so that a retry of an event leads to
the same commitment without the salt having to be kept, and so that it is gone when the key is. The ciphertext is bound
to its place in the log's words (tenant, event, name), so that no two can be swapped.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amas_audit.domain.contents import Content, Opened, Sealed, commit, framed
from amas_audit.domain.errors import ContentDamagedError
from amas_audit.domain.model import Event, Submission

# Bytes: of the encryption key (AES-256) and of the key that salts come from.
KEY_SIZE = 32
SECRET_SIZE = 2 * KEY_SIZE
# Bytes of a nonce. Random, so that a key may encrypt 2^32 contents (NIST SP 800-38D, section 8.3).
NONCE_SIZE = 12

# (tenant, subject, retention class).
Subject = tuple[str, str, str]


@dataclass(frozen=True, slots=True, repr=False)
class SubjectKey:
    """The key of one subject's contents of one retention class."""

    # 32 hexadecimal digits, random.
    id: str
    subject: Subject
    secret: bytes

    def salt(self, event_id: str, name: str) -> bytes:
        """The salt of one content. Whoever is given it learns nothing about any other's."""
        return hmac.digest(self.secret[KEY_SIZE:], framed(b"salt", event_id.encode(), name.encode()), "sha256")

    def encrypt(self, event_id: str, name: str, data: bytes) -> bytes:
        """Nonce and ciphertext (AES-256-GCM)."""
        nonce = os.urandom(NONCE_SIZE)
        return nonce + AESGCM(self.secret[:KEY_SIZE]).encrypt(nonce, data, self._place(event_id, name))

    def decrypt(self, event_id: str, name: str, ciphertext: bytes) -> bytes:
        """The data. ContentDamagedError if it is not what was encrypted for that place."""
        nonce, rest = ciphertext[:NONCE_SIZE], ciphertext[NONCE_SIZE:]
        try:
            return AESGCM(self.secret[:KEY_SIZE]).decrypt(nonce, rest, self._place(event_id, name))
        except (InvalidTag, ValueError) as error:
            raise ContentDamagedError(f"content {name!r} of event {event_id!r} is not what was stored") from error

    def _place(self, event_id: str, name: str) -> bytes:
        return framed(self.subject[0].encode(), event_id.encode(), name.encode())


def new_key(subject: Subject) -> SubjectKey:
    """A key nobody has had before."""
    return SubjectKey(os.urandom(16).hex(), subject, os.urandom(SECRET_SIZE))


def subject_of(event: Event, content: Content) -> Subject:
    """Under which key a content belongs; contents without a subject are the event's principal's."""
    return event.tenant, content.subject or event.principal, content.retention


def subjects_of(submissions: Sequence[Submission]) -> list[Subject]:
    """Whose contents are in a group, each once, in the order of the group."""
    return list(
        {
            subject_of(event, content): None
            for submission in submissions
            for event in submission.events
            for content in event.contents
        }
    )


@dataclass(slots=True)
class Sealer:
    """Seals the contents of one group of events."""

    # The key under which a subject's new contents are encrypted now; those that are made here are added.
    current: dict[Subject, SubjectKey] = field(default_factory=dict)
    # Keys of contents that stand in the log already, by id.
    recorded: Mapping[str, SubjectKey] = field(default_factory=dict)
    make: Callable[[Subject], SubjectKey] = new_key
    made: dict[str, SubjectKey] = field(default_factory=dict)

    def seal(self, event: Event) -> tuple[Sealed, ...]:
        """What the leaf says of the event's contents, by rising name."""
        return tuple(self._sealed(event, content) for content in sorted(event.contents, key=lambda one: one.name))

    def encrypt(self, event: Event, sealed: tuple[Sealed, ...]) -> tuple[bytes, ...]:
        """The ciphertexts, in the order of `sealed`."""
        contents = {content.name: content for content in event.contents}
        return tuple(
            self.current[subject_of(event, contents[one.name])].encrypt(event.id, one.name, contents[one.name].data)
            for one in sealed
        )

    def holds(self, recorded: tuple[Sealed, ...], event: Event) -> bool:
        """Whether the log's contents of an event are those of `event`.

        Of contents that were erased, name, type, class and size are compared: nothing else is left of them.
        """
        contents = {content.name: content for content in event.contents}
        return len(contents) == len(recorded) and all(
            one.name in contents and self._same(event, contents[one.name], one) for one in recorded
        )

    def _same(self, event: Event, content: Content, sealed: Sealed) -> bool:
        described = (content.media_type, content.retention, len(content.data))
        if described != (sealed.media_type, sealed.retention, sealed.size):
            return False
        key = self.recorded.get(sealed.key) or self.made.get(sealed.key)
        if key is None:
            current = self.current.get(subject_of(event, content))
            key = current if current is not None and current.id == sealed.key else None
        if key is None:
            return True
        salt = key.salt(event.id, content.name)
        return key.subject == subject_of(event, content) and hmac.compare_digest(
            commit(salt, content.media_type, content.data), sealed.commitment
        )

    def _sealed(self, event: Event, content: Content) -> Sealed:
        subject = subject_of(event, content)
        key = self.current.get(subject)
        if key is None:
            key = self.current[subject] = self.make(subject)
            self.made[key.id] = key
        commitment = commit(key.salt(event.id, content.name), content.media_type, content.data)
        return Sealed(content.name, commitment, key.id, content.media_type, content.retention, len(content.data))


def open_sealed(event: Event, sealed: Sealed, key: SubjectKey, ciphertext: bytes) -> Opened:
    """A content and its salt. ContentDamagedError if it does not fit its commitment."""
    data = key.decrypt(event.id, sealed.name, ciphertext)
    salt = key.salt(event.id, sealed.name)
    if commit(salt, sealed.media_type, data) != sealed.commitment:
        raise ContentDamagedError(f"content {sealed.name!r} of event {event.id!r} does not fit its commitment")
    return Opened(sealed, data, salt)
