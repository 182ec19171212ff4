"""A stream of audit entries. A page is handed on whole or not at all, so that a cut loses and doubles nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .client import HttpClient, StreamCutError
from .wire import normal

PATH = "/v1/audit/events:stream"
RECONNECTS = 5
"""In a row without a page."""
PASSING = frozenset({"LOG_UNAVAILABLE", "LOG_OVERLOADED", "UPSTREAM_UNAVAILABLE", "TOKEN_EXPIRED", "DRAINING"})
"""Reasons for which a stream may end early and asking again makes sense: a token is renewed meanwhile."""


@dataclass(frozen=True)
class AuditPage:
    """Entries, and the token to go on with after them; the last page has none."""

    entries: list[dict[str, Any]]
    next_token: str


async def audit_pages(
    client: HttpClient, filters: Sequence[tuple[str, str]], token: str, *, pause: float
) -> AsyncIterator[AuditPage]:
    """All pages from a token on. A connection that breaks is made again after `pause` seconds, within a bound."""
    cuts = 0
    while True:
        try:
            async for page in _connection(client, filters, token):
                yield page
                token, cuts = page.next_token, 0
                if not token:
                    return
        except StreamCutError:
            pass
        except CliError as error:
            if error.exit_code is not ExitCode.UNAVAILABLE:
                raise
        cuts += 1
        if cuts > RECONNECTS:
            raise CliError(
                "The stream of audit events was cut off too often.",
                next_step=f"go on with the same query and `--after {token}`" if token else "try again",
                exit_code=ExitCode.UNAVAILABLE,
            )
        await asyncio.sleep(pause)


async def _connection(client: HttpClient, filters: Sequence[tuple[str, str]], token: str) -> AsyncIterator[AuditPage]:
    """The pages of one connection; a page that is not complete is dropped."""
    query = [*filters, *([("pageToken", token)] if token else [])]
    entries: list[dict[str, Any]] = []
    async with aclosing(client.lines(PATH, query)) as lines:
        async for line in lines:
            content = _parsed(line)
            if "nextPageToken" in content:
                yield AuditPage(entries, str(content["nextPageToken"]))
                entries = []
            elif "error" in content:
                raise _problem(content["error"])
            else:
                entries.append(normal(content))
    raise StreamCutError


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        # The last line of a connection that broke.
        raise StreamCutError from error
    return content if isinstance(content, dict) else {}


def _problem(error: Any) -> Exception:
    reason, detail = str(error.get("reason", "")), str(error.get("detail", ""))
    if reason in PASSING:
        return StreamCutError()
    return CliError(f"The stream ended early: {detail} ({reason}).", next_step="narrow the query, and ask again")
