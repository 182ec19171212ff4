"""What OPA serves: several revisions at once, each signed by the sidecar's key, dropped when no run needs it."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import io
import json
import tarfile
import urllib.error
import urllib.request
from datetime import UTC, datetime

import aiohttp
import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import opa_revisions
from amas_policy_sidecar.adapters.opa_revisions import IDLE

from .opa_beside import Beside, OpaProcess, eventually, make_key
from .test_engine_faults import CASE, decided, refused

pytestmark = pytest.mark.integration
BUNDLE = "sha256:" + "1" * 64


def variant(policies: PolicySet, number: int) -> PolicySet:
    """Policies of the same meaning under another digest, with a reason that tells them apart."""
    return PolicySet(
        {name: source.replace('"TOOL_GRANTED"', f'"GRANTED_{number}"') for name, source in policies.modules.items()}
    )


def bundle(number: int) -> str:
    """Digest of an AMAS bundle that a test makes up."""
    return f"sha256:{number:064x}"


async def codes(made: Beside, of: str) -> list[str]:
    """Codes of the decision about the case under a bundle."""
    return [reason["code"] for reason in (await made.engine.decide(of, CASE.document))["reasons"]]


async def test_ten_revisions_live_side_by_side(beside, policy_set):
    """A run keeps the policies that it started under while newer ones decide for newer runs."""
    await asyncio.gather(*(beside.engine.load(bundle(n), variant(policy_set, n)) for n in range(10)))
    answers = await asyncio.gather(*(codes(beside, bundle(n)) for n in range(10)))
    assert answers == [[f"GRANTED_{n}"] for n in range(10)]


async def test_equal_policies_of_two_bundles_are_one_revision(beside, policy_set):
    """What OPA holds grows with policies, not with the contracts beside them."""
    await beside.engine.load(bundle(1), policy_set)
    await beside.engine.load(bundle(2), policy_set)
    assert len(beside.revisions.names()) == 1
    assert await codes(beside, bundle(1)) == await codes(beside, bundle(2))


async def test_what_no_run_needs_is_dropped_and_loaded_again(tmp_path, policy_set):
    """After its idle time a revision is gone from OPA itself, the one in use stays, and asking brings it back."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    made = Beside(tmp_path, clock)
    await made.start()
    try:
        await made.engine.load(bundle(1), variant(policy_set, 1))
        await made.engine.load(bundle(2), variant(policy_set, 2))
        dropped = made.revisions.names()[0]
        clock.advance(IDLE - 1)
        await codes(made, bundle(2))
        clock.advance(2)
        made.revisions.drop_idle()
        async with asyncio.timeout(60):
            while dropped in await served(made):  # noqa: ASYNC110 - OPA sets no event of ours
                await asyncio.sleep(0.02)
        with pytest.raises(AmasError, match="not loaded"):
            await codes(made, bundle(1))
        assert await codes(made, bundle(2)) == ["GRANTED_2"]
        await made.engine.load(bundle(1), variant(policy_set, 1))
        assert await codes(made, bundle(1)) == ["GRANTED_1"]
    finally:
        await made.stop()


async def test_more_than_the_bound_never_live_at_once(beside, policy_set, monkeypatch):
    """The one that was used longest ago makes room."""
    monkeypatch.setattr(opa_revisions, "MAX_REVISIONS", 2)
    for number in (1, 2):
        await beside.engine.load(bundle(number), variant(policy_set, number))
    await codes(beside, bundle(1))
    await beside.engine.load(bundle(3), variant(policy_set, 3))
    assert await codes(beside, bundle(1)) == ["GRANTED_1"]
    with pytest.raises(AmasError):
        await codes(beside, bundle(2))


async def served(made: Beside) -> set[str]:
    """Names of the bundles that OPA itself says it decides by."""
    connector = aiohttp.UnixConnector(str(made.opa.socket))
    path = "/v1/data/none/amas/main/decision?provenance"
    async with (
        aiohttp.ClientSession("http://opa", connector=connector) as session,
        session.post(path, data=b"{}") as response,
    ):
        return set((await response.json())["provenance"].get("bundles", {}))


def tamper_list(made: Beside, monkeypatch, change) -> None:
    """From now on OPA gets the list of bundles as `change` makes it."""
    honest = made.revisions.listed

    async def listed(known: str, wait: float):
        answer = await honest(known, wait)
        return answer and (answer[0], change(answer[1]))

    monkeypatch.setattr(made.revisions, "listed", listed)


def tamper_bundles(made: Beside, monkeypatch, change) -> None:
    """From now on OPA gets bundles as `change` makes them."""
    honest = made.revisions.bundle

    def changed(name: str):
        found = honest(name)
        return found and dataclasses.replace(found, content=change(found.content))

    monkeypatch.setattr(made.revisions, "bundle", changed)


def repacked(change):
    """A change of the files of an archive."""

    def apply(content: bytes) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
            files = {entry.name: archive.extractfile(entry).read() for entry in archive.getmembers()}
        change(files)
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return gzip.compress(raw.getvalue())

    return apply


def unsigned(files: dict[str, bytes]) -> None:
    del files[".signatures.json"]


def loosened(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith("main/decision/policy.rego"))
    files[name] = files[name].replace(b'"effect": "deny"', b'"effect": "allow"')


def added(files: dict[str, bytes]) -> None:
    prefix = next(name for name in files if name.endswith(".rego")).split("/")[0]
    files[f"{prefix}/more.rego"] = f"package {prefix}.amas.main\n\ndenials := set()\n".encode()


def renamed(files: dict[str, bytes]) -> None:
    manifest = json.loads(files[".manifest"])
    files[".manifest"] = json.dumps({**manifest, "revision": "sha256:" + "e" * 64}).encode()


@pytest.mark.parametrize("change", [unsigned, loosened, added, renamed])
async def test_a_tampered_bundle_is_refused(beside, policy_set, monkeypatch, change):
    """OPA takes not one byte that the sidecar's key did not sign; the load says so, and nothing is decided."""
    tamper_bundles(beside, monkeypatch, repacked(change))
    with pytest.raises(AmasError, match="OPA refuses the bundle's policies"):
        await beside.engine.load(BUNDLE, policy_set)
    assert "not loaded" in await refused(beside.engine)


async def test_a_bundle_under_another_name_is_refused(beside, policy_set, monkeypatch):
    """A signature counts for one name: an older revision cannot be passed off as the pinned one."""
    await beside.engine.load(bundle(1), variant(policy_set, 1))
    older = beside.revisions.bundle(beside.revisions.names()[0])
    tamper_bundles(beside, monkeypatch, lambda content: older.content)
    with pytest.raises(AmasError, match="OPA refuses the bundle's policies"):
        await beside.engine.load(bundle(2), variant(policy_set, 2))
    assert await codes(beside, bundle(1)) == ["GRANTED_1"]


async def test_an_unsigned_list_is_refused_and_shows(tmp_path, policy_set, monkeypatch):
    """Also what OPA is to serve is signed; the refusal is in its status and fails the check."""
    made = Beside(tmp_path)
    tamper_list(made, monkeypatch, repacked(unsigned))
    await made.api.start()
    made.opa.start()
    try:
        await eventually(lambda: refuses_the_list(made))
        with pytest.raises(AmasError, match="OPA refuses the list of bundles"):
            await made.engine.load(BUNDLE, policy_set)
        with pytest.raises(AmasError, match="OPA refuses the list of bundles"):
            await made.engine.check()
    finally:
        await made.stop()


def refuses_the_list(made: Beside) -> bool:
    """Whether OPA has reported so."""
    try:
        made.revisions.check()
    except AmasError as error:
        return "refuses the list" in error.message
    return False


async def test_another_key_is_refused_until_opa_knows_it(tmp_path, policy_set):
    """Rotation: a sidecar with a new key gets nothing into an OPA that does not know it, and all once it does."""
    made = Beside(tmp_path)
    await made.start()
    await made.stop()
    made.private, fresh = make_key(tmp_path, "next")
    made.renew()
    await made.api.start()
    made.opa.start()
    try:
        await eventually(lambda: refuses_the_list(made))
        with pytest.raises(AmasError, match="OPA refuses the list of bundles"):
            await made.engine.load(BUNDLE, policy_set)
        made.opa.stop()
        await made.stop_sidecar()
        # Both keys: the one before and the one after.
        made.opa = OpaProcess(tmp_path, made.listen, {"amas": made.public, "next": fresh})
        made.renew("next")
        await made.api.start()
        made.opa.start()
        await made.well()
        await made.engine.load(BUNDLE, policy_set)
        await decided(made.engine)
    finally:
        await made.stop()


async def test_bundles_and_reports_need_the_token(beside, policy_set):
    """Who does not hold OPA's token is answered nothing, and reports nothing."""
    await beside.engine.load(BUNDLE, policy_set)
    name = beside.revisions.names()[0]

    def ask(path: str, body: bytes | None, token: str) -> int:
        request = urllib.request.Request(f"http://{beside.listen}{path}", data=body)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    for path, body in (("/discovery", None), (f"/bundles/{name}", None), ("/status", b"{}"), ("/logs", b"[]")):
        assert await asyncio.to_thread(ask, path, body, "") == 401
        assert await asyncio.to_thread(ask, path, body, "wrong") == 401
    token = (beside.folder / "token").read_text()
    assert await asyncio.to_thread(ask, f"/bundles/{name}", None, token) == 200
    assert await asyncio.to_thread(ask, "/bundles/b0", None, token) == 404


async def test_a_rotated_token_needs_no_restart(beside, policy_set):
    """Both sides read the token anew."""
    (beside.folder / "token").write_text("another-token")
    await beside.engine.load(BUNDLE, policy_set)
    await decided(beside.engine)
