"""Asks a part whether it is ready. A tiny HTTP client, since an HTTP library would cost the supervisor 30 MB."""

import asyncio
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 3.0
STATUS_LINE_LIMIT = 256


async def http_ok(url: str) -> bool:
    """Whether a GET of an http:// URL answers 200. Any other answer, or none in time, is a no."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=STATUS_LINE_LIMIT)
            try:
                request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                await writer.drain()
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
    return status.split(b" ")[1:2] == [b"200"]
