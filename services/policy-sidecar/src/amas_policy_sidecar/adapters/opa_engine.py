"""The policy engine of a cluster: a real Open Policy Agent beside this process, asked over its Unix socket.

Policies reach it as signed bundles (`opa_revisions.py`), never over this socket. A decision counts only if OPA says by
itself that it was made under the revision that the bundle is pinned to.
Source: Open Policy Agent documentation, "REST API" (Data API, provenance).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from amas_chassis import telemetry
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_governance.canonical import canonical_json, digest_bytes

from .engine_faults import unavailable
from .opa_bundles import OpaBundle
from .opa_revisions import OpaRevisions

# A decision takes about a millisecond; an engine that needs longer than this many seconds is a denial.
DECIDE_TIMEOUT = 1.0
MAX_ANSWER_BYTES = 1024 * 1024
# A bundle costs an entry of two digests.
MAX_BUNDLES = 4096
# Questions under way at once; more wait for a connection, within their time.
MAX_CONNECTIONS = 64


class OpaEngine:
    """Decides by asking OPA.

    `on_answer` is told the id under which OPA will log each decision (or none), `on_fault` the kind of each fault.
    """

    def __init__(
        self,
        socket: Path,
        revisions: OpaRevisions,
        *,
        on_answer: Callable[[str], None],
        on_fault: Callable[[str], None],
    ) -> None:
        """Names OPA's socket; nothing is sent yet."""
        self._socket = socket
        self._revisions = revisions
        self._on_answer = on_answer
        self._on_fault = on_fault
        self._session: aiohttp.ClientSession | None = None
        self._revision_of: OrderedDict[str, str] = OrderedDict()

    async def load(self, bundle: str, policies: PolicySet) -> None:
        """Returns once OPA serves a bundle's policies; while it does, the same again is a look-up.

        Raises:
            AmasError: UNAVAILABLE, OPA refuses them or does not take them in time.
        """
        known = self._revisions.use(self._revision_of.get(bundle, ""))
        if known is not None and self._revisions.active(known):
            return
        try:
            loaded = await self._revisions.want(policies)
        except AmasError as error:
            self._count(error)
            raise
        self._revision_of[bundle] = loaded.revision
        self._revision_of.move_to_end(bundle)
        while len(self._revision_of) > MAX_BUNDLES:
            self._revision_of.popitem(last=False)

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Asks for `amas.main.decision` for an input under a bundle.

        Raises:
            AmasError: UNAVAILABLE, the bundle was not loaded, OPA is away, too slow, out of date, or answers nonsense.
        """
        try:
            return await self._decide(bundle, document)
        except AmasError as error:
            self._count(error)
            raise

    async def check(self) -> None:
        """Raises AmasError UNAVAILABLE when OPA does not answer, or does not report that it is well."""
        await self._request("GET", "/health")
        self._revisions.check()

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        pinned = self._revisions.use(self._revision_of.get(bundle, ""))
        if pinned is None:
            raise unavailable("the bundle's policies were not loaded", fault="out_of_date")
        try:
            asked = canonical_json(document)
        except ValueError as error:
            raise unavailable(f"the question cannot be asked exactly: {error}", fault="nonsense") from error
        headers = {
            "Content-Type": "application/json",
            "Amas-Bundle": bundle,
            "Amas-Input-Digest": digest_bytes(asked),
        }
        if traceparent := telemetry.traceparent():
            headers["Traceparent"] = traceparent
        path = f"/v1/data/{pinned.prefix}/amas/main/decision?provenance"
        answer = _object(await self._request("POST", path, body=b'{"input":' + asked + b"}", headers=headers))
        decision_id = answer.get("decision_id")
        self._on_answer(decision_id if isinstance(decision_id, str) else "")
        _refuse_other_revision(answer, pinned)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise unavailable("it answered no decision", fault="nonsense")
        return result

    async def _request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        if self._session is None:
            connector = aiohttp.UnixConnector(str(self._socket), limit=MAX_CONNECTIONS)
            timeout = aiohttp.ClientTimeout(total=DECIDE_TIMEOUT)
            self._session = aiohttp.ClientSession("http://opa", connector=connector, timeout=timeout)
        try:
            async with self._session.request(method, path, data=body, headers=headers) as response:
                answer = b""
                while len(answer) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    answer += more
                status = response.status
        except TimeoutError as error:
            raise unavailable(f"OPA did not answer within {DECIDE_TIMEOUT:g} s", fault="slow") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unavailable(f"OPA did not answer ({type(error).__name__})", fault="gone") from error
        if status != 200:
            raise unavailable(f"OPA answered {status}", fault="failed")
        if len(answer) > MAX_ANSWER_BYTES:
            raise unavailable("OPA's answer is too large", fault="nonsense")
        return answer

    def _count(self, error: AmasError) -> None:
        self._on_fault(error.metadata["fault"])


def _object(answer: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(answer)
    except ValueError as error:
        raise unavailable("it answered no JSON", fault="nonsense") from error
    if not isinstance(parsed, dict):
        raise unavailable("it answered no object", fault="nonsense")
    return parsed


def _refuse_other_revision(answer: Mapping[str, Any], pinned: OpaBundle) -> None:
    """what decided is what the run is pinned to, or nothing was decided."""
    try:
        revision = answer["provenance"]["bundles"][pinned.name]["revision"]
    except (KeyError, TypeError):
        raise unavailable("OPA does not serve the bundle's policies now", fault="out_of_date") from None
    if revision != pinned.revision:
        raise unavailable("OPA serves another revision of the bundle's policies", fault="out_of_date")
