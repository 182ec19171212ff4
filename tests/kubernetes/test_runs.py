"""Runs at a real API server: what kubectl prints, what the operator's Role is enough for, and who may not write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from amas_operator.adapters.kubernetes_access import api_client
from amas_operator.adapters.kubernetes_runs import KubernetesRuns
from amas_operator.domain.errors import ChangedMeanwhileError
from amas_operator.domain.runs import RunSeen, seen_status, unseen_status
from ruamel.yaml import YAML

from tests.waiting import wait_for

from .api_server import ApiServer
from .operators import ROOT, RULES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
NAMESPACE = "runs"
VIEW = ROOT / "charts" / "amas-crds" / "templates" / "readers.yaml"
NOW = datetime.now(UTC)
RUN = RunSeen(
    id="run-01kb5x4d8w0000000000000000",
    orchestration="release-notes",
    state="waiting",
    created_at=NOW - timedelta(days=50, hours=1),
    started_at=NOW - timedelta(days=50),
    ended_at=None,
    cost="0.0120",
    currency="EUR",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    approvals_waiting=1,
)


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """With the rights of the operator's chart for `operator`, and Kubernetes' own ClusterRole `view` for `reader`.

    The role that amas-crds brings is aggregated to `view` by the controller that does so on a cluster.
    """
    assert api_server.kubectl("create", "namespace", NAMESPACE).code == 0
    rules = YAML(typ="safe").load(RULES.read_text())
    _apply(api_server, {"kind": "Role", "metadata": {"name": "operator"}, "rules": rules})
    for user, kind, role in (("operator", "Role", "operator"), ("reader", "ClusterRole", "view")):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
        binding = {"kind": "RoleBinding", "metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
        _apply(api_server, binding)
    with api_server.controllers("clusterrole-aggregation-controller"):
        made = api_server.kubectl("apply", "-f", str(VIEW))
        assert made.code == 0, made.err
        wait_for("viewers may read runs", lambda: _may(api_server, "reader", "list"), 60, every=0.5)
        yield api_server


def _apply(server: ApiServer, content: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", **content})
    made = server.kubectl("apply", "-n", NAMESPACE, "-f", "-", given=text)
    assert made.code == 0, made.err


def _may(server: ApiServer, user: str, verb: str, namespace: str = NAMESPACE) -> bool:
    answer = server.kubectl("auth", "can-i", verb, "runs.amas.dev", "-n", namespace, user=user)
    return answer.out.strip() == "yes"


def _printed(server: ApiServer, *more: str) -> list[list[str]]:
    shown = server.kubectl("get", "runs", "-n", NAMESPACE, *more, user="reader")
    assert shown.code == 0, shown.err
    return [line.split() for line in shown.out.splitlines()]


async def test_the_life_of_a_mirrored_run(server: ApiServer) -> None:
    """Created, shown in columns, changed, unseen, seen again and deleted, with no more rights than the chart gives."""
    async with await api_client(Path(server.kubeconfig("operator"))) as client:
        runs = KubernetesRuns(client, NAMESPACE)
        await runs.create(RUN.id, seen_status(RUN, {}, NOW))
        assert _printed(server) == [
            ["NAME", "ORCHESTRATION", "STATE", "WAITING", "AGE", "COST"],
            [RUN.id, "release-notes", "waiting", "1", "50d", "0.0120"],
        ]
        with pytest.raises(ChangedMeanwhileError):
            await runs.create(RUN.id, seen_status(RUN, {}, NOW))
        (held,) = await runs.mirrored()
        assert (held.name, held.status) == (RUN.id, seen_status(RUN, held.status, NOW))

        await runs.update(held, unseen_status(held.status, NOW, NOW, "PlatformUnavailable", "away"))
        assert _printed(server, "-o", "wide")[1][6:] == ["EUR", "False", RUN.trace_id]
        (held,) = await runs.mirrored()
        ended = replace(RUN, state="succeeded", approvals_waiting=0, ended_at=NOW, cost="", currency="")
        await runs.update(held, seen_status(ended, held.status, NOW))
        (held,) = await runs.mirrored()
        assert held.status == seen_status(ended, held.status, NOW)
        assert _printed(server)[1] == [RUN.id, "release-notes", "succeeded", "0", "50d"]

        await runs.delete(RUN.id)
        assert await runs.mirrored() == []
        with pytest.raises(ChangedMeanwhileError):
            await runs.delete(RUN.id)


async def test_a_reader_writes_nothing_and_a_run_without_our_label_is_none_of_ours(server: ApiServer) -> None:
    """Viewers read; even what an administrator makes up is never taken for a mirrored one."""
    made_up = {
        "apiVersion": "amas.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "made-up"},
        "status": seen_status(RUN, {}, NOW),
    }
    text = json.dumps(made_up)
    refused = server.kubectl("create", "-n", NAMESPACE, "-f", "-", given=text, user="reader")
    assert 'cannot create resource "runs"' in refused.err
    assert server.kubectl("create", "-n", NAMESPACE, "-f", "-", given=text).code == 0
    try:
        for verb in ("delete run made-up", "label run made-up a=b"):
            denied = server.kubectl(*verb.split(), "-n", NAMESPACE, user="reader")
            assert "Forbidden" in denied.err or "forbidden" in denied.err, denied
        async with await api_client(Path(server.kubeconfig("operator"))) as client:
            assert await KubernetesRuns(client, NAMESPACE).mirrored() == []
    finally:
        assert server.kubectl("delete", "run", "made-up", "-n", NAMESPACE).code == 0


def test_the_definition_has_no_room_for_what_a_run_was_given(server: ApiServer) -> None:
    """The API server refuses inputs and outputs, whoever writes them."""
    run = {
        "apiVersion": "amas.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "talkative"},
        "status": {**seen_status(RUN, {}, NOW), "inputJson": "{}"},
    }
    refused = server.kubectl("create", "-n", NAMESPACE, "-f", "-", given=json.dumps(run))
    assert "inputJson" in refused.err
    assert server.kubectl("get", "run", "talkative", "-n", NAMESPACE).code != 0


def test_who_views_a_namespace_sees_its_runs_and_nobody_else(server: ApiServer) -> None:
    """By the aggregated role: reading, in the namespace that was given; without `view` a refusal."""
    assert _printed(server) == []
    assert [verb for verb in ("get", "list", "watch") if not _may(server, "reader", verb)] == []
    wrong = [
        verb for verb in ("create", "update", "patch", "delete", "deletecollection") if _may(server, "reader", verb)
    ]
    assert wrong == []
    assert not _may(server, "reader", "list", "default")
    for user, namespace in (("nobody", NAMESPACE), ("reader", "default")):
        refused = server.kubectl("get", "runs", "-n", namespace, user=user)
        assert refused.code != 0
        assert f'User "{user}" cannot list resource "runs" in API group "amas.dev"' in refused.err
    assert _may(server, "operator", "list")
    assert not _may(server, "operator", "watch"), "the operator asks for no more than it uses"
