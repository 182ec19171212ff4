"""Who is calling: the service named by the SPIFFE id in the peer's verified certificate.

The certificate was verified by TLS against our authority before this code runs. It must never believe anything that
the peer says about itself in metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import grpc

from .errors import AmasError, ErrorKind

__all__ = ["peer_service", "service_named", "service_of"]

# Where grpc puts the URI SANs of the peer's certificate; see grpc's `grpc_security_constants.h`.
_URI_KEY = "peer_uri"
# Ids whose parts are kept, so that a call does not parse its peer's again.
MAX_PEERS = 256
_SPIFFE = re.compile(r"spiffe://(?P<domain>[a-z0-9._-]{1,255})/ns/[a-z0-9-]{1,63}/sa/(?P<service>[a-z0-9-]{1,63})")


def peer_service(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """The calling service ("gateway"), from its certificate. Raises AmasError UNAUTHENTICATED without one.

    The trust domain was checked by the server's access interceptor.
    """
    return service_of(context.auth_context(), trust_domain=None)


def service_of(auth_context: Mapping[str, Iterable[bytes]], *, trust_domain: str | None) -> str:
    """The service in a verified peer's SPIFFE id `spiffe://<trust domain>/ns/<ns>/sa/<service>`.

    A certificate with no URI SAN, with several, of another form or of another trust domain is refused (SPIFFE X509-SVID
    section 2 allows exactly one). `trust_domain` None leaves the domain unchecked.
    """
    return service_named(auth_context.get(_URI_KEY, ()), trust_domain=trust_domain)


def service_named(names: Iterable[bytes], *, trust_domain: str | None) -> str:
    """As `service_of`, out of the URI names of a certificate that TLS has verified."""
    uris = list(names)
    if len(uris) != 1:
        raise _unauthenticated("the call carries no client certificate with exactly one SPIFFE id")
    domain, service = _parsed(uris[0])
    if not service:
        raise _unauthenticated("the client certificate's URI is no SPIFFE id of a service")
    if trust_domain is not None and domain != trust_domain:
        raise _unauthenticated("the client certificate is of another trust domain")
    return service


@lru_cache(maxsize=MAX_PEERS)
def _parsed(uri: bytes) -> tuple[str, str]:
    """Trust domain and service of a SPIFFE id; empty for what is none."""
    match = _SPIFFE.fullmatch(uri.decode("utf-8", "replace"))
    return ("", "") if match is None else (match["domain"], match["service"])


def _unauthenticated(problem: str) -> AmasError:
    return AmasError(ErrorKind.UNAUTHENTICATED, "PEER_IDENTITY_INVALID", problem)
