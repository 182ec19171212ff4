"""Bundles and decisions: loaded once, asked once, never assumed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from amas_ai_router.domain.model import Decision
from amas_ai_router.usecases import decide_access
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.canonical import canonical_json, digest_bytes
from amas_governance.labels import Confidentiality, Label

from .fakes import ANY_DATA, DEVELOPER, Router, make_bundle, make_context
from .memory_stores import MemoryBundles


class CountingBundles(MemoryBundles):
    """Counts what is read of it."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__()
        self.contents = contents
        self.read = 0

    async def content(self, digest: str) -> bytes | None:
        self.read += 1
        return await super().content(digest)


async def test_an_unknown_bundle_is_asked_for() -> None:
    """BUNDLE_UNKNOWN tells the caller to load it; after that the call goes through."""
    router = Router()
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN")
    await router.load()
    await router.do.complete.run(router.request())


async def test_a_bundle_survives_a_restart(router: Router) -> None:
    """Another process with the same store knows it without being told."""
    restarted = Router(bundle=router.bundle, bundles=router.bundles)
    await restarted.do.complete.run(restarted.request())


async def test_a_bundle_is_read_and_compiled_once_for_all_who_wait(router: Router) -> None:
    """A restart under load must not parse one bundle a thousand times; who goes away ends it for nobody else."""
    bundles = CountingBundles(router.bundles.contents)
    restarted = Router(bundle=router.bundle, bundles=bundles)
    calls = [asyncio.create_task(restarted.do.complete.run(restarted.request())) for _ in range(20)]
    await asyncio.sleep(0)
    calls[0].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert not any(isinstance(result, BaseException) for result in results[1:])
    assert bundles.read == 1


@pytest.mark.parametrize("content", [b"{}", b"nonsense", make_bundle(("http://other.test",)).content])
async def test_a_content_of_another_digest_is_refused_and_not_kept(content: bytes) -> None:
    """Only what the digest names is used, and nothing else is stored."""
    router = Router()
    with pytest.raises(AmasError) as caught:
        await router.do.load_bundle.run(router.bundle.digest, content)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID_ARGUMENT, "BUNDLE_INVALID")
    assert router.bundles.contents == {}


async def test_a_bundle_of_an_earlier_version_is_used_under_its_own_digest() -> None:
    """A release adds optional members to resources; runs from before it go on under the bundle they named."""
    router = Router()
    value = json.loads(router.bundle.content)
    for manifest in value["resources"]:
        manifest["spec"].pop("response", None)
    old = canonical_json(value)
    assert old != router.bundle.content
    digest = digest_bytes(old)
    await router.do.load_bundle.run(digest, old)
    await router.do.complete.run(replace(router.request(), context=make_context(digest)))
    assert router.bundles.contents == {digest: old}


async def test_policy_gets_the_bundle_when_it_lacks_it(router: Router) -> None:
    """A policy-sidecar that restarted is given the bundle, and the call goes on."""
    router.policy.strict = True
    await router.do.complete.run(router.request())
    assert router.policy.loaded == [router.bundle.digest]


async def test_an_unknown_route_is_not_found(router: Router) -> None:
    """The error names what is missing, and policy is not bothered."""
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request(route="nope"))
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.NOT_FOUND, "ROUTE_UNKNOWN")
    assert router.policy.asked == []


async def test_a_decision_is_asked_once_for_all_that_it_depends_on() -> None:
    """Runs and steps share an answer; another principal, role, label or bundle does not."""
    router = await Router(bundle=make_bundle(clearance=ANY_DATA)).load()
    await router.do.complete.run(router.request(run_id="r1", step="a"))
    await router.do.complete.run(router.request(run_id="r2", step="b"))
    assert len(router.policy.asked) == 1
    for change in (
        {"principal": replace(DEVELOPER, roles=("auditor",))},
        {"principal": replace(DEVELOPER, subject="auditor")},
        {"principal": replace(DEVELOPER, tenant="other")},
        {"role": "writer"},
        {"label": Label(Confidentiality.RESTRICTED)},
        {"label": Label(categories=frozenset({"pii"}))},
    ):
        await router.do.complete.run(router.request(**change))
    assert len(router.policy.asked) == 7
    other = make_bundle(strategy="weighted")
    await router.do.load_bundle.run(other.digest, other.content)
    await router.do.complete.run(replace(router.request(), context=make_context(other.digest)))
    assert len(router.policy.asked) == 8


async def test_an_outage_of_policy_is_not_remembered(router: Router) -> None:
    """Only answers are kept: when policy is back, so are the calls."""
    router.policy.away = True
    with pytest.raises(AmasError):
        await router.do.complete.run(router.request())
    router.policy.away = False
    await router.do.complete.run(router.request())


async def test_kept_decisions_are_bounded(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many principals call, memory stays bounded, and the one unused for longest is asked again."""
    monkeypatch.setattr(decide_access, "MAX_DECISIONS", 2)
    small = await Router(bundle=router.bundle).load()
    people = [replace(DEVELOPER, subject=name) for name in ("developer", "auditor", "release-manager", "developer")]
    for person in people:
        await small.do.complete.run(small.request(principal=person))
    assert len(small.policy.asked) == 4


async def test_models_that_policy_denies_are_not_listed(router: Router) -> None:
    """The list is what a call would be allowed to use."""
    context = make_context(router.bundle.digest)
    (route,) = await router.do.list_models.run(context)
    assert (route.name, [target.name for target in route.targets]) == ("default", ["p0/m", "p1/m"])
    router.policy.decision = Decision("d", allowed=False)
    assert await router.do.list_models.run(replace(context, role="other")) == []
