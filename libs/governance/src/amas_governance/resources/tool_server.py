"""ToolServer: an MCP server, how it is reached, what each of its tools does, and the pin of what it offers."""

from __future__ import annotations

import functools
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from amas_governance.admission import Rule, each_once, rules
from amas_governance.canonical import digest
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_governance.pins import tool_list_pin
from amas_governance.quantities import Duration, RateLimit, Size

from .manifest_fields import (
    AS_SET,
    MAX_ITEMS,
    Categories,
    ConfidentialityLevel,
    FileName,
    IntegrityLevel,
    Manifest,
    Model,
)
from .sandbox import Sandbox

ArgumentPath = Annotated[str, Field(pattern=r"^[^.\[\]\s]{1,128}(\[\])*(\.[^.\[\]\s]{1,128}(\[\])*)*$", max_length=256)]
Argument = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
Effect = Literal["read", "write", "external", "irreversible"]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", max_length=2048)]
"""Credentials never stand in a URL, so `@` before the path is refused."""


def _each_once(paths: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(paths)) != len(paths):
        raise ValueError("an entry appears twice")
    return paths


class StdioTransport(Model):
    """A program that the policy-sidecar starts, in a working directory that the operator chose, and its sandbox."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=64)]
    sandbox: Sandbox = Field(default_factory=Sandbox)


# Tools of a list that was accepted: as many as a server may offer.
MAX_ACCEPTED = 512


class TlsOptions(Model):
    """Files (mounted for the policy-sidecar) for TLS to the server."""

    ca_file: FileName | None = None


def _is_network(text: str) -> str:
    ip_network(text)
    return text


_NETWORKS = Rule(
    "self.all(n, isIP(n) || (isCIDR(n) && cidr(n) == cidr(n).masked()))",
    "expected networks without host bits, such as 127.0.0.0/8 or fd00::/8",
)
_ONCE = Rule(each_once("self"), "an entry appears twice")


class Egress(Model):
    """Where a server over HTTP may be, besides public addresses: loopback, private and link-local ones by network.

    An address at which clouds hand out credentials is opened only by a network of that address alone.
    """

    networks: Annotated[
        tuple[Annotated[str, Field(max_length=64), AfterValidator(_is_network)], ...],
        AfterValidator(_each_once),
        Field(max_length=16),
        rules(_NETWORKS, _ONCE),
    ] = ()
    """In CIDR notation (RFC 4632, RFC 4291), such as `127.0.0.0/8` or `fd00::/8`."""


class HttpTransport(Model):
    """Streamable HTTP."""

    url: HttpUrl
    egress: Egress = Field(default_factory=Egress)
    tls: TlsOptions | None = None


class Transport(Model):
    """Exactly one way to the server."""

    ADMISSION = (Rule("has(self.stdio) != has(self.http)", "expected exactly one of stdio and http"),)

    stdio: StdioTransport | None = None
    http: HttpTransport | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.stdio is None) == (self.http is None):
            raise ValueError("expected exactly one of stdio and http")
        return self


class Credential(Model):
    """A secret in a file, and where the server expects it: a variable of its environment, or an HTTP header."""

    ADMISSION = (Rule("!(has(self.env) && has(self.header))", "expected at most one of env and header", ".env"),)

    file: FileName
    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")] | None = None
    header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,127}$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.env is not None and self.header is not None:
            raise ValueError("expected at most one of env and header")
        return self


class ResultLabel(Model):
    """The label of what comes back."""

    integrity: IntegrityLevel = Integrity.UNTRUSTED
    confidentiality: ConfidentialityLevel = Confidentiality.INTERNAL
    categories: Categories = ()

    def to_label(self) -> Label:
        """The same as a label."""
        return Label(self.confidentiality, frozenset(self.categories), self.integrity)


class ToolClearance(Model):
    """What a tool may be handed: the highest confidentiality and the categories that a call's context may hold."""

    confidentiality: ConfidentialityLevel
    categories: Categories = ()


class ToolPolicy(Model):
    """What a tool does to the world, and whether doing it twice is the same as once."""

    effect: Effect
    idempotent: bool = False
    results: ResultLabel | None = None
    clearance: ToolClearance | None = None
    """Absent: the server's."""
    sensitive: Annotated[tuple[ArgumentPath, ...], AfterValidator(_each_once), Field(max_length=64), AS_SET] | None = (
        None
    )
    """Arguments that say where an effect goes (a recipient, a URL, an account, a path, a command), as `to` or
    `items[].account`; all below counts too. Absent: every argument is one. Empty: none is."""


# Seconds that are allowed for the end of a broken server and its new start, beside the time-outs of the call.
START_SECONDS = 30.0


class ServerLimits(Model):
    """Bounds of each call (seconds, bytes) and of all calls together."""

    timeout: Duration = 30.0
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    response_size: Size = 1024 * 1024
    rate: RateLimit | None = None

    @property
    def longest_call(self) -> float:
        """Seconds that one action may spend at the server: two tries, where it broke, and its start."""
        return 2 * self.timeout + START_SECONDS


class ToolServerSpec(Model):
    """The server and its tools. A tool that is not listed here cannot be granted."""

    ADMISSION = (
        Rule(
            "!has(self.accepted) || has(self.pin)",
            "`accepted` is not what `pin` is the digest of: `amas tools accept` writes both",
            ".pin",
        ),
    )

    transport: Transport
    credentials: Annotated[tuple[Credential, ...], Field(max_length=32)] = ()
    results: ResultLabel = Field(default_factory=ResultLabel)
    clearance: ToolClearance | None = None
    """What may be handed to the server's tools; absent: whatever the role may see."""
    tools: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")], ToolPolicy],
        Field(min_length=1, max_length=MAX_ITEMS),
    ]
    pin: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    accepted: Annotated[list[dict[str, Any]], Field(max_length=MAX_ACCEPTED)] | None = None
    """The tools as they were when they were accepted, so that a change can be shown: what `pin` is the digest of."""
    limits: ServerLimits = Field(default_factory=ServerLimits)

    @model_validator(mode="after")
    def _accepted_is_pinned(self) -> Self:
        if self.accepted is not None and tool_list_pin(self.accepted) != self.pin:
            raise ValueError("`accepted` is not what `pin` is the digest of: `amas tools accept` writes both")
        return self

    def clearance_of(self, tool: str) -> ToolClearance | None:
        """What a tool may be handed, its own or the server's; None: whatever the role may see."""
        policy = self.tools.get(tool)
        return (policy.clearance if policy else None) or self.clearance

    def result_label(self, tool: str) -> Label:
        """Label of the results of a tool: its own if it states one, else the server's."""
        policy = self.tools.get(tool)
        return ((policy.results if policy else None) or self.results).to_label()


class ToolServer(Manifest):
    """An MCP server and what it offers."""

    KIND: ClassVar[str] = "ToolServer"

    kind: Literal["ToolServer"]
    spec: ToolServerSpec

    @functools.cached_property
    def connection_digest(self) -> str:
        """Names what a session with the server depends on; the pin and what policy says of the tools do not count.

        Computed once, since every call asks for it.
        """
        spec = self.to_manifest()["spec"]
        definition = {name: spec.get(name) for name in ("transport", "credentials", "limits")}
        return digest({"name": self.metadata.name, **definition})
