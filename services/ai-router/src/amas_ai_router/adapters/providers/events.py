"""Reads server-sent events (WHATWG HTML, section 9.2.6) from bytes that come in any pieces, in bounded memory."""

from __future__ import annotations

# Longest event, in bytes: no chunk of a completion comes near, and an endless line must not fill the memory.
MAX_EVENT_BYTES = 1024 * 1024


class EventTooLargeError(ValueError):
    """An event that does not end within MAX_EVENT_BYTES."""


class EventReader:
    """Feed it bytes, get the data of whole events. Other fields than `data` mean nothing here."""

    __slots__ = ("_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that ends in this piece. Raises EventTooLargeError."""
        events: list[bytes] = []
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            # Only \n and \r\n end a line here: nobody sends the lone \r that the standard allows as well.
            self._line(line[:-1] if line.endswith(b"\r") else line, events)
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLargeError("an event is too large")
        return events

    def rest(self) -> bytes:
        """The data of an event whose last empty line did not come. The standard drops it: it may have been cut."""
        ended: list[bytes] = []
        if self._rest:
            self._line(self._rest.rstrip(b"\r"), ended)
            self._rest = b""
        self._line(b"", ended)
        return ended[-1] if ended else b""

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data, self._size = [], 0
        elif line.startswith(b"data:"):
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            # The whole line counts: empty lines of data would grow the list without a bound else.
            self._size += len(line)
            if self._size > MAX_EVENT_BYTES:
                raise EventTooLargeError("an event is too large")
            self._data.append(value)
