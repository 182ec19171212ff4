"""Access tokens: from the development issuer by client credentials, kept for each principal in a file of mode 0600.

A token or a secret is never printed, logged, or put into an argument.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

from .contexts import folder
from .errors import CliError
from .exit_codes import ExitCode
from .local.home import PRIVATE_FOLDER, Home, write_private
from .local.ports import LOOPBACK
from .local.state import load_state

RENEW_BEFORE_S = 30.0
"""A token that ends within this is not used any more."""
TIMEOUT_S = 10.0
_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def cached_token(principal: str) -> str:
    """The kept token while it is good for a while; else empty."""
    try:
        raw = json.loads(_file(principal).read_text())
        return str(raw["access_token"]) if float(raw["expires_at"]) > time.time() + RENEW_BEFORE_S else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def keep_token(principal: str, token: str, expires_at: float) -> None:
    """Keep it; `expires_at` in seconds since the epoch."""
    path = _file(principal)
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    write_private(path, json.dumps({"access_token": token, "expires_at": expires_at}))


async def token_for(principal: str) -> str:
    """A good token of a principal: the kept one, or a new one from the local issuer."""
    token = cached_token(principal)
    return token or await issue_token(principal)


async def issue_token(principal: str) -> str:
    """Ask the local platform's issuer, with the client's secret from its file; keeps what it gets."""
    home = Home.from_environment()
    secret_file = home.issuer / "clients" / _checked(principal)
    state = load_state(home)
    if state is None or not secret_file.is_file():
        known = sorted(path.name for path in secret_file.parent.glob("*")) if secret_file.parent.is_dir() else []
        raise CliError(
            f"There is no token of {principal!r}, and no client of that name at the local issuer.",
            next_step=f"use one of: {', '.join(known)}" if known else "start the platform with `amas up`",
            exit_code=ExitCode.NOT_ALLOWED,
        )
    issuer = f"http://{LOOPBACK}:{state.public_ports['issuer']}"
    answer = await client_credentials_token(issuer, principal, _secret(secret_file), next_step="look at `amas status`")
    token = str(answer["access_token"])
    keep_token(principal, token, time.time() + float(answer.get("expires_in", 0)))
    return token


def _secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CliError(
            f"The client's secret {path} cannot be read: {error.strerror}.", exit_code=ExitCode.NOT_ALLOWED
        ) from error


async def client_credentials_token(
    issuer: str, client: str, secret: str, *, audience: str = "amas", scope: str = "", next_step: str = ""
) -> dict[str, Any]:
    """The issuer's answer with an `access_token`: RFC 6749 section 4.4; the endpoint is found by RFC 8414.

    CliError if it cannot be reached, or refuses.
    """
    import aiohttp

    form = {"grant_type": "client_credentials", "audience": audience, **({"scope": scope} if scope else {})}
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
            async with session.get(f"{issuer}/.well-known/openid-configuration") as metadata:
                endpoint = (await metadata.json())["token_endpoint"]
            auth = aiohttp.BasicAuth(client, secret)
            async with session.post(endpoint, data=form, auth=auth) as answer:
                status, content = answer.status, await answer.json()
    except (TimeoutError, aiohttp.ClientError, ValueError, KeyError, OSError) as error:
        raise CliError(
            f"The issuer {issuer} cannot be reached: {type(error).__name__}.",
            next_step=next_step or "look at its address, its certificate's authority (SSL_CERT_FILE), and the network",
            exit_code=ExitCode.UNAVAILABLE,
        ) from error
    if status != 200 or "access_token" not in content:
        raise CliError(
            f"The issuer refused {client!r}: {content.get('error', status)}.", exit_code=ExitCode.NOT_ALLOWED
        )
    return dict(content)


def _file(principal: str) -> Path:
    return folder() / "tokens" / f"{_checked(principal)}.json"


def _checked(principal: str) -> str:
    """A name that cannot leave its folder."""
    if _PRINCIPAL.fullmatch(principal) is None:
        raise CliError(f"{principal!r} is no name of a principal.", exit_code=ExitCode.USAGE)
    return principal
