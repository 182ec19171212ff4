"""The list of what OPA is to serve is bounded, and a report of OPA opens no way that it should not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import opa_revisions
from amas_policy_sidecar.adapters.opa_bundles import OpaBundle
from amas_policy_sidecar.adapters.opa_revisions import IDLE, LIST_GRACE, SILENCE, OpaRevisions
from amas_policy_sidecar.adapters.opa_signatures import BundleSigner
from amas_policy_sidecar.domain.engine_reports import EngineStatus

from .processes import eventually
from .test_opa_bundles import key_file


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def revisions(tmp_path: Path, clock: ManualClock) -> OpaRevisions:
    return OpaRevisions(BundleSigner(key_file(tmp_path), "amas"), clock)


def policies(number: int) -> PolicySet:
    return PolicySet({"policy.rego": f"package amas.main\n\ndecision := {number}"})


def serving(revisions: OpaRevisions, **problems: str) -> EngineStatus:
    """A report of an OPA that serves all that is listed."""
    bundles = [bundle for name in revisions.names() if (bundle := revisions.bundle(name)) is not None]
    return EngineStatus("one", active={bundle.name: bundle.revision for bundle in bundles}, **problems)  # type: ignore[arg-type]


async def wanted(revisions: OpaRevisions, number: int) -> OpaBundle:
    """Lists a set, with an OPA that takes it."""
    listed = revisions.names()
    loading = asyncio.create_task(revisions.want(policies(number)))
    await eventually(lambda: loading.done() or revisions.names() != listed)
    revisions.report(serving(revisions))
    return await loading


async def test_a_set_is_loaded_when_opa_says_so(revisions: OpaRevisions) -> None:
    """Not when it is listed; and a report about another revision does not count."""
    loading = asyncio.create_task(revisions.want(policies(1)))
    await eventually(lambda: bool(revisions.names()))
    (name,) = revisions.names()
    revisions.report(EngineStatus("one", active={name: "sha256:other"}))
    await asyncio.sleep(0)
    assert not loading.done()
    revisions.report(serving(revisions))
    assert (await loading).name == name


async def test_opa_does_not_take_it_in_time(revisions: OpaRevisions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load is bounded and says why."""
    monkeypatch.setattr(opa_revisions, "ACTIVATION_TIMEOUT", 0.01)
    with pytest.raises(AmasError, match="did not take the bundle's policies in time"):
        await revisions.want(policies(1))


async def test_what_opa_refuses_leaves_the_list(revisions: OpaRevisions) -> None:
    """One bad set never stays between OPA and the others."""
    good = await wanted(revisions, 1)
    loading = asyncio.create_task(revisions.want(policies(2)))
    await eventually(lambda: len(revisions.names()) == 2)
    revisions.report(EngineStatus("one", failed={revisions.names()[1]: "bundle_error"}))
    with pytest.raises(AmasError, match=r"refuses the bundle's policies \(bundle_error\)"):
        await loading
    assert revisions.names() == (good.name,)


async def test_the_longest_unused_makes_room(revisions: OpaRevisions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list never holds more than its bound."""
    monkeypatch.setattr(opa_revisions, "MAX_REVISIONS", 2)
    first, second = await wanted(revisions, 1), await wanted(revisions, 2)
    assert revisions.use(first.revision) == first
    third = await wanted(revisions, 3)
    assert set(revisions.names()) == {first.name, third.name}
    assert revisions.use(second.revision) is None


async def test_the_idle_are_dropped_and_come_back_under_another_name(
    revisions: OpaRevisions, clock: ManualClock
) -> None:
    """So that what OPA still says of the old name opens nothing."""
    first = await wanted(revisions, 1)
    clock.advance(IDLE + 1)
    stale = serving(revisions)
    revisions.drop_idle()
    assert revisions.names() == ()
    loading = asyncio.create_task(revisions.want(policies(1)))
    await eventually(lambda: bool(revisions.names()))
    revisions.report(stale)
    await asyncio.sleep(0)
    assert not loading.done()
    revisions.report(serving(revisions))
    again = await loading
    assert again.revision == first.revision
    assert again.name != first.name


async def test_a_poll_ends_with_the_next_change(revisions: OpaRevisions) -> None:
    """A poll that knows the list waits; one that does not is answered at once, also after a restart of this process."""
    answered = await revisions.listed("of-an-earlier-process", 10.0)
    assert answered is not None
    tag, _ = answered
    assert await revisions.listed(tag, 0.0) is None
    polling = asyncio.create_task(revisions.listed(tag, 60.0))
    await asyncio.sleep(0)
    await wanted(revisions, 1)
    changed = await polling
    assert changed is not None
    assert changed[0] != tag


async def test_the_check_knows_silence_refusal_and_faults(revisions: OpaRevisions, clock: ManualClock) -> None:
    """Health is what OPA said lately, and all of it."""
    with pytest.raises(AmasError, match="has not reported"):
        revisions.check()
    revisions.report(EngineStatus("one"))
    revisions.check()
    clock.advance(SILENCE + 1)
    with pytest.raises(AmasError, match="has not reported"):
        revisions.check()
    revisions.report(EngineStatus("one", list_problem="bundle_error"))
    with pytest.raises(AmasError, match="refuses the list"):
        revisions.check()
    revisions.report(EngineStatus("one", faulty=("decision_logs",)))
    with pytest.raises(AmasError, match="decision_logs is not well"):
        revisions.check()


async def test_a_refused_list_is_believed_after_a_while(revisions: OpaRevisions, clock: ManualClock) -> None:
    """A report about the time before this process listened is not held against a load; one that stays is."""
    loading = asyncio.create_task(revisions.want(policies(1)))
    await eventually(lambda: bool(revisions.names()))
    revisions.report(EngineStatus("one", list_problem="bundle_error"))
    await asyncio.sleep(0)
    assert not loading.done()
    clock.advance(LIST_GRACE + 0.1)
    revisions.report(EngineStatus("one", list_problem="bundle_error"))
    with pytest.raises(AmasError, match="refuses the list of bundles"):
        await loading
