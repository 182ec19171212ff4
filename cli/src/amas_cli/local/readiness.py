"""Asks a part whether it is ready. A tiny HTTP client, since an HTTP library would cost the supervisor 30 MB."""

import asyncio
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 3.0
ANSWER_LIMIT = 4096
"""Bytes that are read of an answer at most."""


async def http_ok(url: str) -> bool:
    """Whether a GET of an http:// URL answers 200. Any other answer, or none in time, is a no."""
    return (await _get(url)).split(b" ")[1:2] == [b"200"]


async def http_words(url: str) -> str:
    """The body of the answer, whatever its status, for people; empty if there is none."""
    return (await _get(url)).partition(b"\r\n\r\n")[2].decode(errors="replace").strip()


async def _get(url: str) -> bytes:
    """The answer as it came, cut at the limit; empty if nobody answers."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                await writer.drain()
                answer = b""
                while len(answer) < ANSWER_LIMIT and (piece := await reader.read(ANSWER_LIMIT)):
                    answer += piece
                return answer
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return b""
