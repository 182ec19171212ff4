"""Who drops packets: the cluster's own engine, nftables in its place on the test cluster, or nobody."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.waiting import wait_for

from .. import node
from .field import Field
from .matrix import Probe
from .staging import CONTROL, deny_all, manifest

SHOWS_S = 10.0
"""An engine has so long to act on a policy before we say that there is none."""
LOOK_AGAIN_S = 2.0
SETTLE_S = 60.0
CANARY = (Probe("neighbour", "gateway", 8000),)


@dataclass(frozen=True)
class Enforcer:
    """An engine acts on policies by itself, after a while; the stand-in at once, when it is told."""

    by: str
    stand_in: bool

    def act(self) -> None:
        """The policies and pods of this moment count."""
        if self.stand_in:
            node.policies("apply")

    def cease(self) -> None:
        """The stand-in's rules are taken away."""
        if self.stand_in:
            node.policies("remove")

    def look(self, field: Field, chosen: Iterable[Probe], expected: set[Probe]) -> set[Probe]:
        """Which connections are open, once the policies count; an engine of its own is given time to be as expected."""
        asked = list(chosen)
        self.act()
        deadline = time.monotonic() + (0 if self.stand_in else SETTLE_S)
        found = field.look(asked)
        while found != expected and time.monotonic() < deadline:
            found = field.look(asked)
        return found


OWN = Enforcer("real packets, the cluster's own engine", stand_in=False)
STAND_IN = Enforcer("real packets, nftables in place of an engine", stand_in=True)


def enforcer_of(field: Field) -> Enforcer | None:
    """Asks by packets: a policy that denies everything either shuts an open connection soon, or nobody enforces it."""
    field.cluster.apply(manifest(deny_all()))
    try:
        wait_for("a connection is shut", lambda: not field.look(CANARY), SHOWS_S, every=LOOK_AGAIN_S)
    except AssertionError:
        return STAND_IN if node.can_stand_in() else None
    finally:
        field.cluster.run("delete", "networkpolicy", CONTROL)
    return OWN
