"""The gateway's own check that nothing of another tenant leaves it (invariant I8), whatever the services answer."""

from __future__ import annotations

from . import errors
from .model import Principal


def check(principal: Principal, tenant: str, what: str) -> None:
    """Raises NOT_FOUND for another tenant's thing: as if it were not there."""
    if tenant != principal.tenant:
        raise errors.not_found(what)
