"""Renders an error in the form of the API that the path belongs to: status, media type and body."""

from __future__ import annotations

from amas_chassis.errors import AmasError

from amas_gateway.entrypoints import http_errors

from . import paths
from .anthropic_errors import anthropic_error
from .openai_errors import openai_error, openai_status


def rendered(error: AmasError, path: str, request_id: str) -> tuple[int, bytes, bytes]:
    """Status, media type and body. Outside the model APIs it is a problem document (RFC 9457)."""
    route = paths.route_of(path)
    if not route:
        return http_errors.status_of(error), b"application/problem+json", http_errors.problem(error, path)
    status = openai_status(error)
    if paths.is_anthropic(route):
        return status, b"application/json", anthropic_error(error, request_id)
    return status, b"application/json", openai_error(error)
