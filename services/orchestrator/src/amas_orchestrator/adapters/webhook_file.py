"""The receivers of webhooks from the operator's file: strict, so that a slip is a sentence at the start."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from amas_chassis.egress import AddressRefusedError, check_literal
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from amas_orchestrator.domain.webhooks import ALL_EVENTS, LINK_FIELD, Endpoint, Endpoints, WebhookEvent

_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_FILE = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}$"


class WebhookFileError(Exception):
    """The file cannot be read, or says something that cannot be; a sentence for the operator."""


class _Endpoint(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    name: Annotated[str, Field(pattern=_NAME)]
    tenant: Annotated[str, Field(pattern=_NAME)]
    url: Annotated[str, Field(max_length=2048)]
    # Two while a secret is rotated.
    secrets: Annotated[tuple[Annotated[str, Field(pattern=_FILE)], ...], Field(min_length=1, max_length=2)]
    events: Annotated[frozenset[WebhookEvent], Field(min_length=1)] = ALL_EVENTS
    arguments: bool = False
    link: Annotated[str, Field(max_length=2048)] = ""
    networks: Annotated[tuple[str, ...], Field(max_length=16)] = ()

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            _network(network)
        return value

    @field_validator("link")
    @classmethod
    def _names_the_approval(cls, value: str) -> str:
        if value and (urlsplit(value).scheme != "https" or LINK_FIELD not in value):
            raise ValueError(f"expected an https URL with {LINK_FIELD} in it")
        return value

    @model_validator(mode="after")
    def _may_be_called(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("url: expected an https URL without credentials and fragment")
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise ValueError("url: expected https; http only to a loopback address")
        try:
            check_literal(parts.hostname, self.networks)
        except AddressRefusedError as error:
            raise ValueError(f"url: {error}; name its network in `networks` if it is meant") from error
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: Annotated[tuple[_Endpoint, ...], Field(max_length=256)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [(one.tenant, one.name) for one in self.endpoints]
        for tenant, name in names:
            if names.count((tenant, name)) > 1:
                raise ValueError(f"tenant {tenant} has two endpoints {name}")
        return self


def read_endpoints(file: Path | None) -> Endpoints:
    """The receivers that a file names; none without a file. Raises WebhookFileError."""
    if file is None:
        return Endpoints()
    try:
        read = _File.model_validate_json(file.read_bytes())
    except OSError as error:
        raise WebhookFileError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise WebhookFileError(f"{file}: {'; '.join(_problems(error))}") from error
    return Endpoints(tuple(Endpoint(**dict(one)) for one in read.endpoints))


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        yield f"{place}: {problem['msg']}"


def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
