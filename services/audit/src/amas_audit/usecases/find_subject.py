"""Find the runs that hold a person's data: with contents under a key of the subject, as long as it is not erased."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from amas_chassis.pagination import decode_token, encode_token

from amas_audit.domain.subjects import SubjectKeyUse, SubjectRun
from amas_audit.ports import SubjectReader

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
# Keys that an answer names, the newest first: one for each class and period. A reader's record names them too.
MAX_KEYS = 500


class FindSubject:
    """Answers one page, by rising run id. Runs that come meanwhile have higher ids, so that pages join."""

    def __init__(self, reader: SubjectReader) -> None:
        self._reader = reader

    async def __call__(
        self, tenant: str, subject: str, *, page_size: int = 0, page_token: str = ""
    ) -> tuple[Sequence[SubjectRun], str, Sequence[SubjectKeyUse]]:
        """Runs, the token of the next page (empty after the last), and the subject's keys.

        AmasError PAGE_TOKEN_INVALID for a token of another question; LOG_UNAVAILABLE.
        """
        after = _after(page_token, tenant, subject)
        limit = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        keys = await self._reader.keys(tenant, subject, MAX_KEYS)
        runs = await self._reader.runs(tenant, subject, after=after, limit=limit + 1)
        if len(runs) <= limit:
            return runs, "", keys
        shown = runs[:limit]
        token = {"after": shown[-1].run_id, "subject": _fingerprint(tenant, subject)}
        return shown, encode_token(token), keys


def _after(page_token: str, tenant: str, subject: str) -> str | None:
    """The last run of the page before; None for the first page."""
    if not page_token:
        return None
    cursor = decode_token(page_token)
    after = cursor.get("after")
    if cursor.get("subject") != _fingerprint(tenant, subject) or not isinstance(after, str):
        problem = "the page token belongs to another subject"
        raise AmasError(
            ErrorKind.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
            problem,
            violations=[FieldViolation("page_token", problem)],
        )
    return after


def _fingerprint(tenant: str, subject: str) -> str:
    """Ties a token to its question."""
    return hashlib.sha256(f"{tenant}\0{subject}".encode()).hexdigest()[:16]
