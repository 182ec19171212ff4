"""Which sets of policies OPA is to serve, and which it says that it serves.

Bounded in number and in idle time: what no run has used for a while is taken off the list, OPA drops it, and it is
listed again when it is asked for. What OPA says of itself opens the way to a question, never to a decision.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from amas_chassis.clock import Clock
from amas_governance.bundle import PolicySet

from amas_policy_sidecar.domain.engine_reports import EngineStatus

from .engine_faults import unavailable
from .opa_bundles import OpaBundle, PoliciesRefusedError, discovery_bundle, policies_digest, policy_bundle
from .opa_signatures import BundleSigner

# OPA compiles all that it serves whenever something is added: a set is about ten modules.
MAX_REVISIONS = 32
# Seconds without a decision after which a set is dropped.
IDLE = 1800.0
# Seconds between two looks for such sets.
TENDING = 15.0
# Seconds that OPA may take to fetch, verify and compile a set.
ACTIVATION_TIMEOUT = 10.0
# Seconds for which OPA may say that it could not take the list before a load believes it: it tries again within 2 s,
# and after a restart of this process it speaks of the time before.
LIST_GRACE = 3.0
# Seconds without a report after which OPA counts as gone: it reports at least at the end of each long poll (10 s).
SILENCE = 35.0

_log = logging.getLogger(__name__)


@dataclass
class _Wanted:
    bundle: OpaBundle
    used: float


class OpaRevisions:
    """The list of wanted revisions, and OPA's last report."""

    def __init__(self, signer: BundleSigner, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock
        self._wanted: OrderedDict[str, _Wanted] = OrderedDict()
        # Nothing that OPA has from another process passes for ours: names and tags are never used twice.
        self._process = uuid.uuid4().hex[:12]
        self._generation = 0
        self._list: bytes | None = None
        self._status: EngineStatus | None = None
        self._reported = float("-inf")
        self._list_ill_since = float("inf")
        self._changed = asyncio.Event()

    def use(self, revision: str) -> OpaBundle | None:
        """The wanted bundle of that revision, which counts as used now."""
        wanted = self._wanted.get(revision)
        if wanted is None:
            return None
        wanted.used = self._clock.monotonic()
        self._wanted.move_to_end(revision)
        return wanted.bundle

    def active(self, bundle: OpaBundle) -> bool:
        """Whether OPA has reported that it serves exactly this."""
        return self._status is not None and self._status.active.get(bundle.name) == bundle.revision

    async def want(self, policies: PolicySet) -> OpaBundle:
        """Lists a set of policies, and returns once OPA serves it.

        Raises:
            AmasError: UNAVAILABLE, OPA refuses it, or does not take it in time.
        """
        bundle = self.use(policies_digest(policies)) or self._add(policies)
        try:
            async with asyncio.timeout(ACTIVATION_TIMEOUT):
                while not self.active(bundle):
                    self._raise_if_refused(bundle)
                    await self._changed.wait()
        except TimeoutError:
            raise unavailable("OPA did not take the bundle's policies in time", fault="out_of_date") from None
        return bundle

    async def tend(self) -> None:
        """For the life of the process: drops what is idle."""
        while True:
            await asyncio.sleep(TENDING)
            self.drop_idle()

    def drop_idle(self) -> None:
        """Takes off the list what was not used for a while."""
        oldest = self._clock.monotonic() - IDLE
        idle = [revision for revision, wanted in self._wanted.items() if wanted.used < oldest]
        for revision in idle:
            del self._wanted[revision]
        if idle:
            self._relist()

    def report(self, status: EngineStatus) -> None:
        """OPA's state, as it says."""
        if status.list_problem or status.failed:
            _log.warning("OPA reports problems", extra={"list": status.list_problem, "bundles": dict(status.failed)})
        self._status, self._reported = status, self._clock.monotonic()
        self._list_ill_since = min(self._list_ill_since, self._reported) if status.list_problem else float("inf")
        self._wake()

    def check(self) -> None:
        """Raises AmasError UNAVAILABLE if OPA is silent, refuses the list, or has a part that is not well."""
        status = self._status
        if status is None or self._clock.monotonic() - self._reported > SILENCE:
            raise unavailable("OPA has not reported its state", fault="gone")
        self._raise_if_list_refused()
        if status.faulty:
            raise unavailable(f"OPA's {', '.join(status.faulty)} is not well", fault="out_of_date")

    async def listed(self, known: str, wait: float) -> tuple[str, bytes] | None:
        """The signed list and its tag, once it is another than the known one; None if it is not within `wait` s."""
        try:
            async with asyncio.timeout(wait):
                while self._tag() == known:
                    await self._changed.wait()
        except TimeoutError:
            return None
        if self._list is None:
            self._list = discovery_bundle(self.names(), self._tag(), self._signer)
        return self._tag(), self._list

    def bundle(self, name: str) -> OpaBundle | None:
        """The wanted bundle of that name, for OPA to fetch."""
        return next((wanted.bundle for wanted in self._wanted.values() if wanted.bundle.name == name), None)

    def names(self) -> tuple[str, ...]:
        """Names of the wanted bundles, the longest unused first."""
        return tuple(wanted.bundle.name for wanted in self._wanted.values())

    def _add(self, policies: PolicySet) -> OpaBundle:
        try:
            bundle = policy_bundle(policies, f"{self._process}-{self._generation}", self._signer)
        except PoliciesRefusedError as error:
            raise unavailable(str(error), fault="refused") from error
        self._wanted[bundle.revision] = _Wanted(bundle, self._clock.monotonic())
        while len(self._wanted) > MAX_REVISIONS:
            self._wanted.popitem(last=False)
        self._relist()
        return bundle

    def _raise_if_refused(self, bundle: OpaBundle) -> None:
        if self.bundle(bundle.name) is None:
            raise unavailable("the bundle's policies had to make room for others", fault="out_of_date")
        if self._clock.monotonic() - self._list_ill_since > LIST_GRACE:
            self._raise_if_list_refused()
        problem = self._status.failed.get(bundle.name) if self._status is not None else None
        if problem:
            # Off the list, so that one bad set never stands between OPA and the others.
            del self._wanted[bundle.revision]
            self._relist()
            raise unavailable(f"OPA refuses the bundle's policies ({problem})", fault="refused")

    def _raise_if_list_refused(self) -> None:
        if self._status is not None and self._status.list_problem:
            raise unavailable(f"OPA refuses the list of bundles ({self._status.list_problem})", fault="out_of_date")

    def _tag(self) -> str:
        return f"{self._process}-{self._generation}"

    def _relist(self) -> None:
        self._generation += 1
        self._list = None
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
