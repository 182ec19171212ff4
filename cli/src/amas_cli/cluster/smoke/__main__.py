"""`python -m amas_cli.cluster.smoke`: run by `helm test`, or by anyone who wants to know whether an installation works.

Told by its environment (docs/cluster-setup.md). One line a step on stdout; exit code 0 if all is well.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.gateway.api import GatewayApi
from amas_cli.gateway.client import HttpClient
from amas_cli.output.printable import printable
from amas_cli.tokens import RENEW_BEFORE_S, client_credentials_token

from .governed_run import GovernedRun
from .settings import Credentials, SmokeSettings, read_settings


def main() -> int:
    """Runs the test; answers an exit code."""
    try:
        settings = read_settings(os.environ)
        asyncio.run(_test(settings))
    except CliError as error:
        for line in error.lines():
            print(printable(line), file=sys.stderr)
        print("FAILED")
        return int(error.exit_code)
    print("PASSED")
    return int(ExitCode.OK)


async def _test(settings: SmokeSettings) -> None:
    try:
        async with (
            asyncio.timeout(settings.timeout),
            HttpClient(settings.gateway, _token_source(settings.credentials)) as client,
        ):
            await GovernedRun(GatewayApi(client), settings, _tell).run()
    except TimeoutError as error:
        raise CliError(
            f"The test took longer than {settings.timeout:.0f} s.",
            next_step="look at /readyz of the services, which names what they wait for; or raise AMAS_TEST_TIMEOUT",
            exit_code=ExitCode.UNAVAILABLE,
        ) from error


def _tell(step: str, seen: str) -> None:
    print(f"{step:<8} {printable(seen)}", flush=True)


def _token_source(credentials: Credentials) -> Callable[[], Awaitable[str]]:
    """Asked before each request: the file's token as it is then, or the issuer's until it nears its end."""
    kept: tuple[str, float] = ("", 0.0)

    async def from_file() -> str:
        return _read(credentials.token_file or credentials.client_secret_file)

    async def from_issuer() -> str:
        nonlocal kept
        token, ends = kept
        if time.monotonic() > ends - RENEW_BEFORE_S:
            answer = await client_credentials_token(
                credentials.issuer,
                credentials.client_id,
                _read(credentials.client_secret_file),
                audience=credentials.audience,
                scope=credentials.scope,
            )
            kept = token, ends = str(answer["access_token"]), time.monotonic() + float(answer.get("expires_in", 0))
        return token

    return from_file if credentials.token_file else from_issuer


def _read(path: os.PathLike[str]) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read as a token or secret.", exit_code=ExitCode.USAGE) from error


if __name__ == "__main__":
    sys.exit(main())
