"""Parses server-sent events (WHATWG HTML, section 9.2.6) from the lines of a response."""

from dataclasses import dataclass, field

MAX_EVENT_CHARACTERS = 8 * 1024 * 1024


@dataclass(frozen=True)
class ServerEvent:
    """One event as it was sent."""

    id: str
    name: str
    data: str


@dataclass
class EventParser:
    """Takes lines, answers events. Holds one event at the most, bounded."""

    last_id: str = ""
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _size: int = 0

    def line(self, line: str) -> ServerEvent | None:
        """Take one line without its end; answers an event when the line completes one."""
        if not line:
            return self._complete()
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._size += len(value)
                if self._size > MAX_EVENT_CHARACTERS:
                    raise ValueError("an event is larger than any that the gateway sends")
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self.last_id = value
            case _:
                pass
        return None

    def _complete(self) -> ServerEvent | None:
        if not self._data:
            self._name = ""
            return None
        event = ServerEvent(self.last_id, self._name or "message", "\n".join(self._data))
        self._name, self._data, self._size = "", [], 0
        return event
