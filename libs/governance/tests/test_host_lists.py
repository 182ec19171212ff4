"""host_lists: what passes leads to a listed host, whichever library reads it (invariant I1)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from amas_governance.host_lists import check_hosts, covers, outside_hosts
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import Url

HOSTS = ("example.com", "*.docs.example.org", "internal:8443", "127.0.0.1:8080")

PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "HTTP://",
        "http:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        "example.com",
        "docs.example.org",
        "a.docs.example.org",
        "evil.test",
        "internal",
        "127.0.0.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "169.254.169.254",
        ":80",
        ":443",
        ":8080",
        ":8443",
        ":08443",
        ":",
        ".",
        "%2e",
        "%40",
        "%00",
        "\x00",
        " ",
        "\t",
        "\n",
        "user",
        "user:pw@",
        "\u3002",
        "\uff0e",
        "\u2147xample.com",
        "ex\u00adample.com",
        "xn--",
        "..",
        "path",
        "a=b",
        "file://",
        "javascript:",
        "\ud800",
    ]
)
HOSTILE = st.lists(PIECES, max_size=9).map("".join) | st.lists(PIECES, max_size=6).map(lambda p: "http://" + "".join(p))


def listed(host: str | None, port: int | None, scheme: str) -> bool:
    """The list by hand, without the code under test."""
    at = port or {"http": 80, "https": 443}[scheme]
    usual = at == {"http": 80, "https": 443}[scheme]
    return (
        (host == "example.com" and usual)
        or (host is not None and host.endswith(".docs.example.org") and usual)
        or (host == "internal" and at == 8443)
        or (host == "127.0.0.1" and at == 8080)
    )


@settings(deadline=None)
@given(HOSTILE)
def test_nothing_else_passes_however_it_is_read(text: str) -> None:
    """I1: the standard library (RFC 3986) and a WHATWG parser, as browsers have it, both find a listed host."""
    if outside_hosts(text, HOSTS) is None:
        plain, browser = urlsplit(text), Url(text)
        assert plain.scheme in ("http", "https")
        assert plain.username is None
        assert browser.username is None
        assert listed(plain.hostname, plain.port, plain.scheme)
        assert listed(browser.host, browser.port, browser.scheme)
        assert plain.hostname == browser.host


@settings(deadline=None)
@given(st.from_regex(r"\A(/[a-z0-9%20._~-]{0,10}){0,4}(\?[a-z]=[a-z0-9+&=]{0,8})?(#[a-z]{0,5})?\Z"))
def test_ordinary_urls_of_a_listed_host_pass(rest: str) -> None:
    """The keyword does not stop the work that it is for."""
    rest = rest.replace("%", "%20")
    assert outside_hosts(f"https://example.com{rest}", HOSTS) is None
    assert outside_hosts(f"HTTP://Example.COM:80{rest}", HOSTS) is None
    assert outside_hosts(f"https://a.b.docs.example.org{rest}", HOSTS) is None
    assert outside_hosts(f"http://internal:8443{rest}", HOSTS) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "file:///example.com",
        "https:/example.com",
        "https://user@example.com",
        "https://example.com@evil.test",
        "https://evil.test#@example.com",
        "https://evil.test?.example.com",
        "https://evil.test\\.docs.example.org",
        "https://example.com\\@evil.test",
        "https://example.com.",
        "https://example.com.evil.test",
        "https://docs.example.org",
        "https://xdocs.example.org",
        "https://example.com:8443",
        "http://internal",
        "https://example.com:",
        "https://example.com:0443",
        "https://[::1]/",
        "https://xn--a.docs.example.org",
        "http://2130706433:8080",
        "http://0x7f.1:8080",
        "http://127.1:8080",
        "http://0177.0.0.1:8080",
        " https://example.com",
        "https://example.com/a b",
        "https://exa\tmple.com",
        "https://example.com/ü",
        "https://ex\u0430mple.com",
        "https://example.com%2eevil.test",
        "https://example.com/%zz",
        "https://example.com:99999",
        None,
        7,
        ["https://example.com"],
    ],
)
def test_what_leads_elsewhere_or_could_be_read_so_is_refused(value: object) -> None:
    """User-info, odd addresses, look-alikes, wrong ports and other types; no message repeats the value."""
    wrong = outside_hosts(value, HOSTS)
    assert wrong is not None
    assert "evil" not in wrong


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "https://example.com",
        "Example.com",
        "*.com",
        "*",
        "*example.com",
        "a.*.com",
        "example.com.",
        "example.com/a",
        "2130706433",
        "127.1",
        "0x7f.0.0.1",
        "[::1]",
        "*.0.0.1",
        "example.com:0",
        "example.com:70000",
        "exämple.com",
        "a_b",
    ],
)
def test_an_entry_that_is_no_host_is_refused_when_it_is_written(entry: str) -> None:
    """A misspelt host would silently refuse all, or allow more than its author meant."""
    with pytest.raises(ValueError, match="of hosts"):
        check_hosts(["example.com", entry])


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("example.com", "example.com", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "*.a.example.com", True),
        ("*.example.com", "example.com", False),
        ("a.example.com", "*.example.com", False),
        ("example.com", "example.com:8443", False),
        ("*.example.com:8443", "a.example.com:8443", True),
    ],
)
def test_entries_are_compared_by_what_they_let_through(wide: str, narrow: str, covered: bool) -> None:
    """A diff says rightly whether a changed list is wider."""
    assert covers(wide, narrow) == covered
