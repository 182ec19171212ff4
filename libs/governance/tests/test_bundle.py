"""bundle: immutable, canonical, named by its digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.canonical import canonical_json, digest_bytes
from amas_governance.resources.dlp_rules import DlpRules

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
    """One bundle has one content: neither spaces nor another order of members or of resources are accepted."""
    bundle = build()
    value = json.loads(bundle.content)
    pretty = json.dumps(value, indent=1).encode()
    reordered = json.dumps(
        value | {"resources": value["resources"][::-1]}, sort_keys=True, separators=(",", ":")
    ).encode()
    shuffled = json.dumps(dict(reversed(value.items())), separators=(",", ":"), ensure_ascii=False).encode()
    for content in (pretty, reordered, shuffled):
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


def test_a_bundle_of_an_earlier_version_is_read_under_its_own_digest() -> None:
    """Runs and records outlive a release: bytes of a version without `answers` and `egress` keep their name."""
    old = (Path(__file__).parent / "bundles" / "before-answers-and-egress.json").read_bytes()
    assert b'"answers"' not in old
    assert b'"egress"' not in old
    bundle = Bundle.parse(old)
    assert bundle.content == old
    assert bundle.digest == digest_bytes(old)
    # What building the same now would give has another name, so that the two are never mistaken for each other.
    today = Bundle.build(bundle.resources, bundle.policies)
    assert today.digest != bundle.digest
    orchestration, server = bundle.orchestration("flow"), bundle.tool_server("files")
    assert orchestration is not None
    assert orchestration.spec.answers == DlpRules()
    assert server is not None
    assert server.spec.transport.http is not None
    assert server.spec.transport.http.egress.networks == ()


def test_a_member_that_this_version_does_not_know_is_refused() -> None:
    """What a later version wrote is not read by half: it could bound what this one would then allow."""
    value = json.loads(build().content)
    value["resources"][0]["spec"]["aBoundOfTomorrow"] = 1
    with pytest.raises(ValueError, match="aBoundOfTomorrow"):
        Bundle.parse(canonical_json(value))
