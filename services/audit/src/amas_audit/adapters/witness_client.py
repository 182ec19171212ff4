"""Asks one witness to cosign (C2SP tlog-witness, add-checkpoint). Each question is bounded in time and answer."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import aiohttp

from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.witnessing import (
    WitnessAwayError,
    WitnessKey,
    WitnessRefusedError,
    WitnessSawError,
    add_checkpoint,
)

# Seconds for one question, and bytes of an answer that are looked at.
TIMEOUT = 5.0
MAX_ANSWER_BYTES = 16 << 10
# Digits of a tree size.
MAX_SIZE_DIGITS = 19
SIZE_TYPE = "text/x.tlog.size"
_FINAL = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class WitnessClient:
    """One witness. `close` when done."""

    def __init__(self, url: str, key: WitnessKey, tls: ssl.SSLContext) -> None:
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self.key = key

    async def cosign(self, old: int, proof: Sequence[bytes], note: str) -> str:
        """The witness's line under the note. WitnessSawError, WitnessRefusedError or WitnessAwayError."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=2)
            self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(TIMEOUT))
        try:
            async with self._session.post(
                self._url, data=add_checkpoint(old, proof, note), allow_redirects=False
            ) as answer:
                content = (await _beginning(answer.content)).decode("utf-8", "replace")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise WitnessAwayError(f"it did not answer: {str(error) or type(error).__name__}") from error
        if answer.status == HTTPStatus.OK:
            return self.key.line_in(content, note.rpartition("\n\n")[0] + "\n")
        if answer.status == HTTPStatus.CONFLICT and answer.content_type == SIZE_TYPE:
            size = content.strip()
            if size.isascii() and size.isdigit() and len(size) <= MAX_SIZE_DIGITS:
                raise WitnessSawError(int(size))
            raise WitnessAwayError("it answered a size that is none")
        problem = f"it answered {answer.status}: {_detail(content)}"
        raise WitnessRefusedError(problem) if answer.status in _FINAL else WitnessAwayError(problem)

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()


def read_witnesses(path: Path | None, authority: Path) -> list[WitnessClient]:
    """The witnesses in a file, `URL KEY` a line. NotReadyError, naming the line, for what is none.

    Their certificates are trusted if the system's authorities or ours (`authority`) vouch for them.
    """
    if path is None:
        return []
    tls = ssl.create_default_context()
    try:
        tls.load_verify_locations(authority)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NotReadyError(f"the witnesses in {path} cannot be read: {problem}") from error
    found: list[WitnessClient] = []
    for number, line in enumerate(lines, start=1):
        words = [] if line.lstrip().startswith("#") else line.split()
        if not words:
            continue
        try:
            url, key = words
            if not url.startswith(("https://", "http://")):
                raise ValueError("the URL does not begin with https:// or http://")
            witness = WitnessKey.parse(key)
            if any(known.key.name == witness.name or known.key.public_key == witness.public_key for known in found):
                raise ValueError("the witness stands there twice, by its name or its key, and counts once")
            found.append(WitnessClient(url, witness, tls))
        except ValueError as error:
            problem = str(error) if len(words) == 2 else "it is not a URL and a key"
            raise NotReadyError(f"{path}, line {number}: {problem}") from error
    return found


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """An answer up to its bound. One read brings what has arrived, which may be less."""
    try:
        return await content.readexactly(MAX_ANSWER_BYTES)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _detail(content: str) -> str:
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        return "no reason was given"
