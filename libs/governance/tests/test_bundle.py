"""bundle: immutable, canonical, named by its digest."""

from __future__ import annotations

import hashlib
import json

import pytest
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.canonical import digest_bytes

from . import manifests

POLICIES = PolicySet({"main/policy.rego": "package main\n"}, b"\x00asm\x01")


def build() -> Bundle:
    """A bundle with one of several kinds."""
    resources = manifests.parsed(
        manifests.role(), manifests.server(), manifests.orchestration({"name": "a", "role": "writer"})
    )
    return Bundle.build(resources, POLICIES)


def test_the_digest_is_the_sha_256_of_the_content() -> None:
    """Anyone can recompute a bundle's name."""
    bundle = build()
    assert bundle.digest == "sha256:" + hashlib.sha256(bundle.content).hexdigest()


def test_order_does_not_matter_and_every_change_does() -> None:
    """The same resources give the same bundle; another instruction or another policy gives another."""
    bundle = build()
    assert Bundle.build(reversed(bundle.resources), POLICIES).digest == bundle.digest
    changed = manifests.parsed(manifests.role(instructions="Write more."))
    assert Bundle.build(changed, POLICIES).digest != Bundle.build(manifests.parsed(manifests.role()), POLICIES).digest
    assert Bundle.build(bundle.resources, PolicySet(POLICIES.modules, b"")).digest != bundle.digest


def test_a_bundle_survives_its_content() -> None:
    """Parsing gives the same resources, policies and digest."""
    bundle = build()
    parsed = Bundle.parse(bundle.content)
    assert parsed.digest == bundle.digest
    assert parsed.resources == bundle.resources
    assert parsed.policies == POLICIES


def test_resources_are_found_by_kind_and_name() -> None:
    """Each kind has its own names; what is not there is None."""
    bundle = build()
    assert bundle.role("writer") is not None
    assert bundle.orchestration("flow") is not None
    assert bundle.tool_server("git") is not None
    assert bundle.provider("local") is not None
    assert bundle.route("default") is not None
    assert bundle.role("flow") is None
    assert bundle.get("Budget", "x") is None


def test_content_that_is_not_canonical_is_refused() -> None:
    """One bundle has one content: neither spaces nor another order nor left-out defaults are accepted."""
    bundle = build()
    value = json.loads(bundle.content)
    pretty = json.dumps(value, indent=1).encode()
    reordered = json.dumps(
        value | {"resources": value["resources"][::-1]}, sort_keys=True, separators=(",", ":")
    ).encode()
    del value["resources"][0]["spec"]["bounds"]
    sparse = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for content in (pretty, reordered, sparse):
        with pytest.raises(ValueError, match="canonical"):
            Bundle.parse(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format":"amas.dev/bundle/v1"}',
        b'{"format":"amas.dev/bundle/v1","policies":{"modules":{},"wasm":"!"},"resources":[]}',
        b'{"format":"amas.dev/bundle/v1","policies":{"modules":{},"wasm":""},"resources":[{}]}',
        b'{"format":"amas.dev/bundle/v1","policies":{"modules":{},"wasm":""},"resources":[1]}',
        b'{"format":"amas.dev/bundle/v1","policies":[],"resources":[]}',
    ],
)
def test_what_is_no_bundle_is_a_value_error(content: bytes) -> None:
    """Broken content never gives a bundle and never another exception."""
    with pytest.raises(ValueError, match=r".+"):
        Bundle.parse(content)


def test_two_resources_of_one_name_are_refused() -> None:
    """A bundle never has to choose."""
    resources = manifests.parsed(manifests.role())
    with pytest.raises(ValueError, match="same kind and name"):
        Bundle.build([*resources, resources[-1]], POLICIES)


def test_a_bundle_on_record_is_read_though_it_would_be_built_otherwise_now() -> None:
    """A record outlives the version that made it: it is named by its own bytes, and nothing else may live by it."""
    content = json.loads(Bundle.build([], PolicySet({"p.rego": "package p"}, b"wasm")).content)
    old = json.dumps(content, indent=1).encode()
    with pytest.raises(ValueError, match="canonical"):
        Bundle.parse(old)
    bundle = Bundle.recorded(old)
    assert (bundle.digest, bundle.content) == (digest_bytes(old), old)
    assert bundle.policies.wasm == b"wasm"
    with pytest.raises(ValueError, match="not a bundle"):
        Bundle.recorded(b'{"format":"other"}')
