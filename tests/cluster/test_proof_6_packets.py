"""Proof 6 with real packets: the same matrix between pods, and the platform itself while its policies are enforced."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from typing import Any

import pytest

from . import node
from .helm import Release
from .kube import Kube
from .load.verdict import lost_or_repeated
from .netpol.enforcer import Enforcer, enforcer_of
from .netpol.field import Field
from .netpol.matrix import ARROWS, probes
from .netpol.staging import manifest, moved
from .platform import ClusterPlatform
from .services import not_ready, selector, unsettled
from .summary import Proof, Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
REGISTRY = "registry.local/amas"
"""The chart's own default."""
OPEN_TIMEOUT_S = 60.0
ANEW_TIMEOUT_S = 240.0
SERVING = "app.kubernetes.io/component=service"
NOBODY = "cyclonus analyzer alone: the cluster enforces no policy, and nftables stands in on the test cluster alone"
# Who may, who may from elsewhere, and who has no policy of its own: enough to see that one policy is other.
WITNESSES = ("gateway", "stranger", "neighbour")

EDGE = (("gateway", 8000), ("gateway", 8001))
INSIDE = (("orchestrator", 8443), ("ai-router", 8443), ("audit", 8443), ("audit", 8444))


def test_packets_go_where_the_arrows_are(
    summary: Summary,
    kube: Kube,
    release: Release,
    platform: ClusterPlatform,
    policies: list[dict[str, Any]],
    good: dict[str, Any],
):
    """Everything open before; each arrow and nothing else while the policies count; everything open again. Then every
    pod of the release starts anew and a run completes under the release's own policies."""
    if node.can_stand_in():
        node.policies("remove")
    promise = "each arrow open, everything else shut, by connections between pods with the peers' labels"
    with ExitStack() as standing:
        with summary.proof("6 packets", promise) as proof:
            field = standing.enter_context(Field(_image(good)))
            enforcer = _matrix(proof, field, policies)
        promise = "every pod started anew and a governed run, policies enforced; strangers reach the edge alone"
        with summary.proof("6 run under policies", promise) as proof:
            proof.note(by=enforcer.by if enforcer else NOBODY)
            if enforcer:
                assert release.installed(), "no release stands: run proof 1 before this one"
                standing.callback(enforcer.cease)
                _run(proof, kube, release.name, platform, enforcer)
                _strangers(proof, kube, field, enforcer)


def _image(good: dict[str, Any]) -> str:
    """The image with a Python and without privileges that the release's set-up runs in, too."""
    return f"{good.get('global.image.registry', REGISTRY)}/cli:{good['global.image.tag']}"


def _matrix(proof: Proof, field: Field, policies: list[dict[str, Any]]) -> Enforcer | None:
    address = field.api_server()
    if address:
        field.knows(address)
    asked = field.tried()
    with proof.timed("open_without_policies_s"):
        field.cluster.until("all open without policies", lambda: field.look(asked) == set(asked), OPEN_TIMEOUT_S)
    enforcer = enforcer_of(field)
    proof.note(by=enforcer.by if enforcer else NOBODY, tried=len(asked), not_tried=len(probes()) - len(asked))
    if enforcer is None:
        return None
    try:
        _judge(proof, field, enforcer, moved(policies, address or "192.0.2.10"), set(asked))
    finally:
        enforcer.cease()
    return enforcer


def _judge(proof: Proof, field: Field, enforcer: Enforcer, policies: list[dict[str, Any]], asked: set[Any]) -> None:
    expected = set(ARROWS & asked)
    field.cluster.apply(manifest(*policies))
    with proof.timed("matrix_s"):
        found = enforcer.look(field, asked, expected)
    proof.note(policies=len(policies), open=len(found), shut=len(asked - found))
    assert sorted(expected - found) == [], "arrows that are shut"
    assert sorted(found - expected) == [], "open, and no arrow"
    # One policy less, and one that is wider, are found by the packets.
    few = {one for one in asked if one.to == "audit" and one.source in WITNESSES}
    audit = next(one for one in policies if one["metadata"]["name"].endswith("-audit"))
    field.cluster.run("delete", "networkpolicy", audit["metadata"]["name"])
    less = enforcer.look(field, few, set())
    assert less == set(), "open without the policy that opens it"
    wider = copy.deepcopy(audit)
    wider["spec"]["ingress"].append({})
    field.cluster.apply(manifest(wider))
    # The gateway's own egress is as narrow as before.
    through = {one for one in few if one.source != "gateway"} | (expected & few)
    assert enforcer.look(field, few, through) == through
    proof.note(one_less=f"{len(expected & few)} shut", one_wider=f"{len(through - expected)} opened")
    # The listeners were there all along: what was shut was shut by policy.
    field.cluster.run("delete", "networkpolicies", "--all")
    assert enforcer.look(field, asked, asked) == asked, "shut without a policy"


def _run(proof: Proof, kube: Kube, release: str, platform: ClusterPlatform, enforcer: Enforcer) -> None:
    gone = {pod["metadata"]["name"] for pod in kube.pods(SERVING)}
    enforcer.act()
    with proof.timed("pods_anew_s"):
        # Every connection is made anew: one from before is not what policies are asked about.
        for pod in gone:
            kube.delete("pod", pod)

        def replaced() -> bool:
            enforcer.act()
            now = {pod["metadata"]["name"] for pod in kube.pods(SERVING)}
            return not now & gone and not not_ready(kube) and not unsettled(kube, release)

        kube.until("other pods, as many as are wanted, all ready", replaced, ANEW_TIMEOUT_S)
    enforcer.act()
    platform.apply_load()
    with proof.timed("run_s"):
        ended = platform.run_to_end()
    assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
    record = platform.record(ended["id"])
    assert lost_or_repeated([ended["id"]], record) == []
    proof.note(pods=len(gone), policies=len(kube.all("networkpolicies")), events_of_the_run=len(record))


def _strangers(proof: Proof, kube: Kube, field: Field, enforcer: Enforcer) -> None:
    """The pods of the release itself, from a pod that bears an orchestrator's labels in a namespace of its own."""
    pods = [(service, port, kube.pods(selector(service))[0]) for service, port in (*EDGE, *INSIDE)]
    addresses = [(pod["status"]["podIP"], port) for _, port, pod in pods]
    enforced = field.reaches("stranger", addresses)
    assert enforced == [True] * len(EDGE) + [False] * len(INSIDE), dict(zip((*EDGE, *INSIDE), enforced, strict=True))
    if enforcer.stand_in:
        enforcer.cease()
        assert all(field.reaches("stranger", addresses)), "shut without policies"
    proof.note(open_to_strangers=len(EDGE), shut_to_strangers=len(INSIDE))
