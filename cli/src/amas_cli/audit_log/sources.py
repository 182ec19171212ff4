"""Reads the parts of a log from where it is: an HTTPS server, or a folder that was laid out as the server's paths are.

Nothing that is read is believed here; whoever asks verifies it.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

# A bundle has at most 256 entries of 64 KiB and their lengths.
MAX_PART_BYTES = 256 * (2 + 65_535)
TIMEOUT_SECONDS = 30.0
# Requests under way at once, and parts that may wait in memory.
CONNECTIONS = 4
AHEAD = 8


class SourceError(Exception):
    """The log could not be read; the text says why.

    `refused`: it is there, but not for us. `archived`: it was there, and is in an archive alone.
    """

    def __init__(self, message: str, *, refused: bool = False, archived: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        self.archived = archived


class LogSource(Protocol):
    """A place where a log is."""

    def read(self, path: str) -> bytes | None:
        """The part of that name, or None if there is none. SourceError if it cannot be told."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class FolderSource:
    """A folder of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        """The file of that name."""
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(MAX_PART_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"{self._folder / path} cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is open."""


class HttpSource:
    """A server; one connection a thread."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise SourceError(f"{url} is no URL of a log: it has the form https://host:port/path")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._context = context or (ssl.create_default_context() if self._secure else None)
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def read(self, path: str) -> bytes | None:
        """The resource of that name."""
        try:
            answer = self._ask(path)
            # One byte more than any part has: whoever verifies finds that it is too long.
            body = answer.read(MAX_PART_BYTES + 1)
            if len(body) > MAX_PART_BYTES:
                # The rest must never be taken for the next answer.
                self._local.connection.close()
            elif answer.length:
                # Read with a bound, a body that the network cuts looks whole.
                raise http.client.IncompleteRead(body, answer.length)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"the log at {self._host} does not answer: {_said(error)}") from error
        if answer.status == http.client.OK:
            return body
        if answer.status == http.client.NOT_FOUND:
            return None
        refused = answer.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN)
        archived = answer.status == http.client.GONE
        said = f"the log at {self._host} answers {answer.status}: {_detail(body)}"
        raise SourceError(said, refused=refused, archived=archived)

    def close(self) -> None:
        """Hang up."""
        for connection in self._open:
            connection.close()

    def _ask(self, path: str) -> http.client.HTTPResponse:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            try:
                return self._request(connection, path)
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
                # A kept connection may have been closed while nobody used it; a new one tells the truth.
                connection.close()
        connection = (
            http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._context)
            if self._secure
            else http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        )
        self._local.connection = connection
        self._open.append(connection)
        return self._request(connection, path)

    def _request(self, connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
        connection.request("GET", f"{self._prefix}/{path}", headers={"Accept-Encoding": "identity"})
        return connection.getresponse()


class ArchivedSource:
    """A live log, and an archive of what it has dropped. Both are one log to whoever verifies them."""

    def __init__(self, live: LogSource, archive: LogSource) -> None:
        self._live = live
        self._archive = archive

    def read(self, path: str) -> bytes | None:
        """The part of that name; from the archive if the log says that it is there, and from nowhere else then."""
        try:
            return self._live.read(path)
        except SourceError as error:
            if not error.archived:
                raise
            if (found := self._archive.read(path)) is None:
                raise SourceError(f"{error}; the archive that was named has no {path}", archived=True) from error
            return found

    def close(self) -> None:
        """Hang up."""
        self._live.close()
        self._archive.close()


def read_ahead(source: LogSource, paths: Iterable[str]) -> Iterator[bytes | None]:
    """The parts in the order of their names, some of them read while those before are looked at."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        waiting: deque[Future[bytes | None]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(source.read, path))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


def _detail(body: bytes) -> str:
    """What a problem says (RFC 9457), as text that may be printed."""
    try:
        detail = str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "no reason was given"
    return detail if detail.isprintable() else repr(detail)
