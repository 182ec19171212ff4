"""Decides on a checkpoint: cosign what continues what was seen, refuse everything else (C2SP tlog-witness).

The check against what was seen and the keeping of what is cosigned are one step for each log: no two requests can both
continue the same checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from .consistency import continues
from .notes import Cosigner, LogKey
from .requests import AddCheckpoint
from .state import State

_LOG = logging.getLogger(__name__)

Logs = Callable[[], Mapping[str, Sequence[LogKey]]]


@dataclass(frozen=True)
class Cosigned:
    """The answer to a checkpoint that was cosigned: signature lines."""

    lines: str


@dataclass(frozen=True)
class Refused:
    """Why it was not. `size` is what was seen last, for a client that is behind or ahead."""

    status: HTTPStatus
    reason: str
    size: int | None = None


class Witness:
    """Sees the logs whose keys it is given."""

    def __init__(
        self, cosigner: Cosigner, logs: Logs, state: State, now: Callable[[], float] = time.time
    ) -> None:  # fmt: skip
        self._cosigner = cosigner
        self._logs = logs
        self._state = state
        self._now = now
        self._locks: dict[str, asyncio.Lock] = {}

    async def add_checkpoint(self, asked: AddCheckpoint) -> Cosigned | Refused:
        """Cosign, or say why not. StateError if the state cannot be read or written: then nothing was cosigned."""
        origin = asked.checkpoint.origin
        keys = self._logs().get(origin)
        if keys is None:
            return Refused(HTTPStatus.NOT_FOUND, "this log is not witnessed here")
        if not asked.checkpoint.signed_by(keys):
            return Refused(HTTPStatus.FORBIDDEN, "the checkpoint is not signed by a key of its log")
        async with self._locks.setdefault(origin, asyncio.Lock()):
            return await asyncio.to_thread(self._decide, asked)

    def _decide(self, asked: AddCheckpoint) -> Cosigned | Refused:
        new, last = asked.checkpoint, self._state.last(asked.checkpoint.origin)
        seen = last.size if last is not None else 0
        if asked.old != seen:
            return Refused(HTTPStatus.CONFLICT, f"a tree of {seen} was cosigned last", seen)
        if last is not None and new.size == last.size and new.root != last.root:
            return self._fork(asked, HTTPStatus.CONFLICT, f"another tree of {seen} was cosigned")
        if (
            last is not None
            and last.size
            and new.size > last.size
            and not continues(last.size, last.root, new.size, new.root, asked.proof)
        ):
            reason = f"the proof does not show that the tree continues that of {seen}"
            return self._fork(asked, HTTPStatus.UNPROCESSABLE_ENTITY, reason)
        if last is None or new.size > last.size:
            self._state.keep(new.origin, asked.note)
        return Cosigned(self._cosigner.cosign(new.body, int(self._now())))

    def _fork(self, asked: AddCheckpoint, status: HTTPStatus, reason: str) -> Refused:
        """The log signed it, so that what is logged here may be proof of what it did."""
        _LOG.error("refused a checkpoint that its log signed: %s\n%s", reason, asked.note)
        return Refused(status, reason)
