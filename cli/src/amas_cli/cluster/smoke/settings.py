"""What the test of an installation is told, by its environment. Secrets come as files."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

DEFAULT_TIMEOUT_S = 300.0
DEFAULT_AUDIENCE = "amas"
DEFAULT_TOOL = "list_files"
DEFAULT_MODEL = "scripted"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")


@dataclass(frozen=True)
class Credentials:
    """A file with a token, or a client of an issuer."""

    token_file: Path | None = None
    issuer: str = ""
    client_id: str = ""
    client_secret_file: Path = Path()
    audience: str = DEFAULT_AUDIENCE
    scope: str = ""


@dataclass(frozen=True)
class Model:
    """A route that is there, or a provider that the test makes one of."""

    route: str = ""
    base_url: str = ""
    name: str = ""
    key_file: str = ""


@dataclass(frozen=True)
class Tool:
    """An MCP server over HTTP and one call of it that only reads."""

    url: str
    networks: tuple[str, ...]
    name: str
    arguments: Mapping[str, Any]
    credential: str = ""
    """File among the policy-sidecar's credentials with the whole value of the header Authorization."""


@dataclass(frozen=True)
class Own:
    """Resources of the user's own, and which orchestration to run with which input."""

    folder: Path | None
    orchestration: str
    given: Any


@dataclass(frozen=True)
class SmokeSettings:
    """All of it."""

    gateway: str
    credentials: Credentials
    model: Model | None
    tool: Tool | None
    own: Own | None
    audit_key_file: Path | None
    timeout: float


def read_settings(environment: Mapping[str, str]) -> SmokeSettings:
    """From the environment. CliError, exit code 2, with the name of the variable that is wrong or missing."""
    given = _Given(environment)
    own = _own(given)
    settings = SmokeSettings(
        gateway=given.url("AMAS_GATEWAY_URL"),
        credentials=_credentials(given),
        model=None if own else _model(given),
        tool=None if own else _tool(given),
        own=own,
        audit_key_file=given.path("AMAS_TEST_AUDIT_KEY_FILE"),
        timeout=given.seconds("AMAS_TEST_TIMEOUT", DEFAULT_TIMEOUT_S),
    )
    # A name that is misspelt would be as if it were not there.
    if strays := sorted(name for name in environment if name.startswith("AMAS_TEST_") and name not in given.known):
        raise _refused(strays[0], "is no setting of this test, or not beside the others")
    return settings


class _Given:
    """The environment, and which names were asked for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        self.known.add(name)
        return self._environment.get(name, "").strip() or default

    def required(self, name: str, why: str) -> str:
        return self.text(name) or _raise(_refused(name, f"is not set, which is needed {why}"))

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        if text and not Path(text).exists():
            raise _refused(name, f"names {text}, which is not there")
        return Path(text) if text else None

    def url(self, name: str) -> str:
        text = self.required(name, "always")
        if not text.startswith(("http://", "https://")):
            raise _refused(name, "does not start with http:// or https://")
        return text.rstrip("/")

    def seconds(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            value = float(text) if text else default
        except ValueError:
            value = 0.0
        if not 1 <= value <= 3600:
            raise _refused(name, "is no number of seconds from 1 to 3600")
        return value

    def json(self, name: str, default: str) -> Any:
        try:
            return json.loads(self.text(name, default))
        except ValueError as error:
            raise _refused(name, f"is no JSON: {error}") from error


def _credentials(given: _Given) -> Credentials:
    token_file = given.path("AMAS_TEST_TOKEN_FILE")
    if token_file is not None:
        return Credentials(token_file=token_file)
    issuer = given.text("AMAS_TEST_OIDC_ISSUER")
    if not issuer:
        raise CliError(
            "Nothing says how the test gets a token.",
            next_step="set AMAS_TEST_TOKEN_FILE; or AMAS_TEST_OIDC_ISSUER, AMAS_TEST_CLIENT_ID and "
            "AMAS_TEST_CLIENT_SECRET_FILE",
            exit_code=ExitCode.USAGE,
        )
    secret = given.path("AMAS_TEST_CLIENT_SECRET_FILE")
    return Credentials(
        issuer=given.url("AMAS_TEST_OIDC_ISSUER"),
        client_id=given.required("AMAS_TEST_CLIENT_ID", "with an issuer"),
        client_secret_file=secret or Path(given.required("AMAS_TEST_CLIENT_SECRET_FILE", "with an issuer")),
        audience=given.text("AMAS_TEST_OIDC_AUDIENCE", DEFAULT_AUDIENCE),
        scope=given.text("AMAS_TEST_OIDC_SCOPE"),
    )


def _model(given: _Given) -> Model:
    route = given.text("AMAS_TEST_MODEL_ROUTE")
    if route:
        return Model(route=_named("AMAS_TEST_MODEL_ROUTE", route))
    if not given.text("AMAS_TEST_MODEL_BASE_URL"):
        raise CliError(
            "Nothing says which model the test asks.",
            next_step="set AMAS_TEST_MODEL_ROUTE to a route that is there, or AMAS_TEST_MODEL_BASE_URL and "
            "AMAS_TEST_MODEL to a provider's",
            exit_code=ExitCode.USAGE,
        )
    return Model(
        base_url=given.url("AMAS_TEST_MODEL_BASE_URL"),
        name=given.text("AMAS_TEST_MODEL", DEFAULT_MODEL),
        key_file=given.text("AMAS_TEST_MODEL_KEY_FILE"),
    )


def _tool(given: _Given) -> Tool | None:
    if not given.text("AMAS_TEST_TOOL_URL"):
        return None
    networks = tuple(given.text("AMAS_TEST_TOOL_NETWORKS").replace(",", " ").split())
    try:
        for network in networks:
            ipaddress.ip_network(network)
    except ValueError as error:
        raise _refused("AMAS_TEST_TOOL_NETWORKS", f"holds no list of networks: {error}") from error
    arguments = given.json("AMAS_TEST_TOOL_ARGUMENTS", "{}")
    if not isinstance(arguments, dict):
        raise _refused("AMAS_TEST_TOOL_ARGUMENTS", "is no JSON object")
    name = _named("AMAS_TEST_TOOL", given.text("AMAS_TEST_TOOL", DEFAULT_TOOL))
    credential = given.text("AMAS_TEST_TOOL_CREDENTIAL")
    return Tool(given.url("AMAS_TEST_TOOL_URL"), networks, name, arguments, credential)


def _own(given: _Given) -> Own | None:
    orchestration = given.text("AMAS_TEST_ORCHESTRATION")
    if not orchestration:
        return None
    return Own(
        folder=given.path("AMAS_TEST_RESOURCES_DIR"),
        orchestration=_named("AMAS_TEST_ORCHESTRATION", orchestration),
        given=given.json("AMAS_TEST_INPUT", "{}"),
    )


def _named(variable: str, text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise _refused(variable, "is no name")
    return text


def _refused(variable: str, why: str) -> CliError:
    return CliError(
        f"{variable} {why}.", next_step="docs/cluster-setup.md has all settings of the test", exit_code=ExitCode.USAGE
    )


def _raise(error: Exception) -> str:
    raise error
