import asyncio
from collections.abc import AsyncIterator

import pytest
from amas_cli.local import readiness
from amas_cli.local.readiness import http_ok, http_words

from .test_ports import taken

__all__ = ["taken"]


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that sends what the test puts into the list."""
    answers: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[0])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/readyz", answers


@pytest.mark.parametrize(
    ("sent", "ready"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n{}", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n200", False),
        (b"nonsense", False),
        (b"", False),
        (b"HTTP/1.1 2000 No\r\n\r\n", False),
    ],
)
async def test_only_200_is_ready(server: tuple[str, list[bytes]], sent: bytes, ready: bool) -> None:
    """Whatever else answers on the port, the part is not ready."""
    url, answers = server
    answers.append(sent)
    assert await http_ok(url) is ready


async def test_a_part_that_is_not_ready_says_why(server: tuple[str, list[bytes]]) -> None:
    """The sentence of a failed start has the part's own words."""
    url, answers = server
    answers.append(b'HTTP/1.1 503 No\r\nX: y\r\n\r\n{"failing": ["audit"]}')
    assert await http_words(url) == '{"failing": ["audit"]}'


async def test_nobody_and_silence_are_not_ready(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is closed, and one that takes the connection and says nothing."""
    monkeypatch.setattr(readiness, "ANSWER_TIMEOUT_S", 0.1)
    assert not await http_ok("http://127.0.0.1:9/readyz")
    assert not await http_ok(f"http://127.0.0.1:{taken}/readyz")
