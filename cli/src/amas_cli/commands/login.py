"""`amas login`: get a token and remember who and where."""

import sys
from typing import Annotated

import typer

from amas_cli.contexts import Context, folder, load_context, resolve_server, save_context
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.tokens import issue_token, keep_token

from .guard import guarded
from .options import Server

GIVEN_TOKEN_LIFETIME_S = 3600.0
"""Of a token whose end we do not look at: the gateway decides, and says so."""


@guarded
async def login(
    principal: Annotated[str, typer.Option("--as", metavar="PRINCIPAL", help="Who to log in as.")] = "developer",
    server: Server = "",
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read an access token from standard input.")
    ] = False,
) -> int:
    """Log in at the local issuer, or keep a token that you have."""
    import time

    from amas_cli.output.terminal import line

    if token_stdin:
        token = sys.stdin.readline().strip()
        if not token:
            raise CliError("Standard input has no token.", exit_code=ExitCode.USAGE)
        keep_token(principal, token, time.time() + GIVEN_TOKEN_LIFETIME_S)
    else:
        await issue_token(principal)
    # Only a server that was named is remembered; the local platform's may move to other ports.
    save_context(Context(server=server or load_context().server, principal=principal))
    line(f"logged in as {principal} at {resolve_server(server)} (kept in {folder()})")
    return ExitCode.OK
