"""Parameters and bodies that more than one area takes, with their bounds."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import PageQuery
from amas_gateway.entrypoints.access import Caller
from amas_gateway.entrypoints.http_edge import CALLER

_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$"

RunId = Annotated[str, Path(pattern=_ID, description="Id of a run.")]
ApprovalId = Annotated[str, Path(pattern=_ID, description="Id of an approval.")]
BundleDigest = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of a bundle.")]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,126}$", description="Name of a resource.")]
Kind = Annotated[str, Path(pattern=r"^[A-Z][A-Za-z]{0,62}$", description="Kind of a resource, such as `AgentRole`.")]
Text = Annotated[str, Query(max_length=255)]
Time = Annotated[str, Query(max_length=64, description="RFC 3339 time.")]
PageSize = Annotated[int, Query(ge=0, le=1000, description="0 leaves the size to the service.")]
PageToken = Annotated[str, Query(max_length=4096, description="`nextPageToken` of the page before.")]
IdempotencyKey = Annotated[
    str,
    Header(
        max_length=200, pattern=r"^[\x21-\x7e]*$", description="The same key with the same request is the same run."
    ),
]


class Body(BaseModel):
    """A JSON body: camelCase, unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)


class Reason(Body):
    """Why a human did it."""

    reason: str = ""


def caller_of(request: Request) -> Caller:
    """The caller that the edge identified."""
    caller: Caller = request.scope[CALLER]
    return caller


def page_of(size: int, token: str) -> PageQuery:
    """The page that a list asks for."""
    return PageQuery(size, token)


def enum_value(name: str, text: str, prefix: str, values: dict[str, int]) -> int:
    """The number of an enum that a query names as `RUN_STATE_RUNNING` or `running`; 0 for no text."""
    if not text:
        return 0
    value = values.get(text, values.get(prefix + text.upper()))
    if value is None:
        known = ", ".join(sorted(known.removeprefix(prefix).lower() for known in values if values[known]))
        raise invalid(name, f"must be one of: {known}")
    return value
