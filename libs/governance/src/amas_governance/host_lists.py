"""The keyword `hosts`: a value is an http or https URL of one of these hosts, whoever reads it.

URLs are read by one narrow grammar, a part of RFC 3986 on which browsers, libraries and proxies agree. What they read
differently is refused: user-info, IP addresses in odd forms, letters beyond ASCII, backslashes, white space. Nothing
here resolves a name: what a name points to, and where an answer redirects to, is a matter of whoever makes the call.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_URL = 8192
MAX_NAME = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PORT = r"[1-9][0-9]{0,4}"
_ENTRY = re.compile(rf"(\*\.)?({_LABEL}(?:\.{_LABEL})*)(?::({_PORT}))?")
# Scheme, host, port, and a rest of nothing but the characters that RFC 3986 lets stand in path, query and fragment.
_URL = re.compile(
    rf"(https?)://([A-Za-z0-9.-]+)(?::({_PORT}))?(?:[/?#](?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{{2}})*)?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535
_PUNYCODE = ".xn--"


class NotAUrl(ValueError):  # noqa: N818 - says what happened
    """The text is no URL that all readers understand alike."""


@dataclass(frozen=True)
class Target:
    """Where a URL leads."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True)
class _Entry:
    host: str
    below: bool
    port: int | None

    def holds(self, target: Target) -> bool:
        if self.below:
            # A label in punycode stands for other letters, which readers show and check in different ways.
            named = target.host.endswith(f".{self.host}") and _PUNYCODE not in f".{target.host}"
        else:
            named = target.host == self.host
        return named and target.port == (self.port or _DEFAULT_PORTS[target.scheme])


def target_of(text: object) -> Target:
    """Where the URL leads; raises NotAUrl with a sentence that does not repeat it."""
    if not isinstance(text, str):
        raise NotAUrl("is no text")
    if len(text) > MAX_URL:
        raise NotAUrl(f"has more than {MAX_URL} characters")
    match = _URL.fullmatch(text) if text.isascii() else None
    if match is None:
        raise NotAUrl("is no plain http or https URL (no user, no white space, no characters beyond ASCII)")
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3]) if match[3] else _DEFAULT_PORTS[scheme]
    if port > _MAX_PORT or not _is_host(host):
        raise NotAUrl("has no plain host name and port")
    return Target(scheme, host, port)


def check_hosts(hosts: Sequence[str]) -> None:
    """Raises ValueError for an entry not of the form `example.com`, `*.example.com` or `example.com:8443`."""
    for host in hosts:
        _entry(host)


def outside_hosts(value: object, hosts: Sequence[str]) -> str | None:
    """What is wrong with the value; None when it is a URL of one of the hosts."""
    try:
        target = target_of(value)
    except NotAUrl as error:
        return f"the value {error}; allowed are hosts {words(hosts)}"
    if any(_entry(host).holds(target) for host in hosts):
        return None
    return f"the value leads to another host than {words(hosts)}"


def covers(wide: str, narrow: str) -> bool:
    """Whether all that the second entry lets through, the first does too."""
    outer, inner = _entry(wide), _entry(narrow)
    if outer.port != inner.port:
        return False
    if outer.below:
        return inner.host.endswith(f".{outer.host}") or (inner.below and inner.host == outer.host)
    return not inner.below and inner.host == outer.host


def words(hosts: Sequence[str]) -> str:
    """`example.com or *.example.org`."""
    return " or ".join(hosts)


def _entry(text: str) -> _Entry:
    match = _ENTRY.fullmatch(text)
    if match is None or not _is_host(match[2]):
        raise ValueError("a host of hosts is written as example.com, *.example.com or example.com:8443, in lower case")
    below, host = match[1] is not None, match[2]
    if below and ("." not in host or _is_address(host)):
        raise ValueError("a wildcard of hosts stands before a domain of at least two parts, as in *.example.com")
    port = int(match[3]) if match[3] else None
    if port is not None and port > _MAX_PORT:
        raise ValueError(f"a port of hosts is at most {_MAX_PORT}")
    return _Entry(host, below, port)


def _is_host(host: str) -> bool:
    """A DNS name; or an IPv4 address in its one canonical form, since resolvers read the others as addresses too."""
    if len(host) > MAX_NAME or _NAME.fullmatch(host) is None:
        return False
    last = host.rpartition(".")[2]
    numeric = last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None
    return _is_address(host) if numeric else True


def _is_address(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False
