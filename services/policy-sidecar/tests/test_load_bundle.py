"""LoadBundle: a bundle is known by the digest of its bytes, whichever version built it."""

from __future__ import annotations

import json

import pytest
from amas_chassis.errors import AmasError
from amas_governance.canonical import canonical_json, digest_bytes
from amas_policy_sidecar.adapters.bundle_store import BundleStore
from amas_policy_sidecar.usecases.load_bundle import LoadBundle

from .fakes import FakeEngine
from .manifests import COMMIT, bundle, role, tool_server

NOW = bundle(role("publisher", [COMMIT]), tool_server())


async def test_a_bundle_of_an_earlier_version_is_taken_under_its_own_digest() -> None:
    """A release adds optional members to resources; runs from before it go on under the bundle they named."""
    value = json.loads(NOW.content)
    for manifest in value["resources"]:
        manifest["spec"].pop("delegates", None)
    old = canonical_json(value)
    assert old != NOW.content
    bundles, engine = BundleStore(), FakeEngine()
    await LoadBundle(bundles, engine)(digest_bytes(old), old)
    taken = bundles.get(digest_bytes(old))
    assert taken.content == old
    assert taken.role("publisher") == NOW.role("publisher")
    assert engine.loaded == {digest_bytes(old)}


async def test_other_bytes_are_never_taken_for_a_bundle() -> None:
    """What its digest does not name is refused, and nothing of it is kept: neither resources nor policies."""
    bundles, engine = BundleStore(), FakeEngine()
    value = json.loads(NOW.content)
    value["resources"][0]["spec"]["memberOfTomorrow"] = 1
    later = canonical_json(value)
    for digest, content in (
        (NOW.digest, NOW.content + b" "),
        ("sha256:" + "0" * 64, NOW.content),
        (digest_bytes(later), later),
    ):
        with pytest.raises(AmasError) as refused:
            await LoadBundle(bundles, engine)(digest, content)
        assert refused.value.reason == "BUNDLE_INVALID"
        with pytest.raises(AmasError) as unknown:
            bundles.get(digest)
        assert unknown.value.reason == "BUNDLE_UNKNOWN"
    assert engine.loaded == set()
