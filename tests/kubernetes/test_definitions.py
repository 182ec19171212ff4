"""The definitions against a real API server: it takes what the models take, and keeps it as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.custom_resources import NAMES, manifest_of
from amas_governance.resources import parse_manifest

from . import examples
from .api_server import ApiServer
from .http import Api

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
EXAMPLES = examples.files()


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[Api]:
    """A connection as the administrator."""
    found = Api(api_server)
    yield found
    found.close()


def _digest(manifests: list[dict[str, Any]]) -> str:
    return Bundle.build([parse_manifest(manifest) for manifest in manifests], PolicySet()).digest


def test_there_are_examples_of_every_kind() -> None:
    """The corpus is not empty by mistake."""
    kinds = {resource.KIND for name, text in EXAMPLES.items() for resource in examples.resources(name, text)}
    assert kinds == set(NAMES)
    assert len(EXAMPLES) >= 20


def test_every_example_is_taken_and_means_the_same_afterwards(api_server: ApiServer, tmp_path: Path) -> None:
    """`kubectl apply` of files gives the bundle that `amas apply` of them gives, however they are applied."""
    for number, batch in enumerate(examples.batches(EXAMPLES)):
        namespace, folder = f"examples-{number}", tmp_path / str(number)
        for name, text in batch.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        assert api_server.kubectl("create", "namespace", namespace).code == 0
        # Twice on the client's side, so that the second is a patch; then on the server's, which takes the fields over.
        for extra in (("--dry-run=server",), (), (), ("--server-side", "--force-conflicts")):
            applied = api_server.kubectl("apply", "-n", namespace, "-R", "-f", str(folder), *extra)
            assert applied.code == 0, applied.err
        listed = api_server.kubectl("get", "amas", "-n", namespace, "-o", "json")
        wanted = [resource for name, text in batch.items() for resource in examples.resources(name, text)]
        stored = [manifest_of(item) for item in json.loads(listed.out)["items"]]
        assert _digest(stored) == Bundle.build(wanted, PolicySet()).digest


def test_kubectl_knows_the_short_names_and_the_columns(api_server: ApiServer, api: Api) -> None:
    """A person sees version, readiness, bundle and age."""
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "columns"}})
    text = EXAMPLES["libs/governance/tests/reference.yaml"]
    assert api_server.kubectl("apply", "-n", "columns", "-f", "-", given=text).code == 0
    status = {
        "observedGeneration": 1,
        "bundle": "0123456789ab",
        "bundleDigest": "sha256:" + "0123456789abcdef" * 4,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Applied",
                "message": "in force",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    path = api.path("AgentRole", "columns", "publisher") + "/status"
    patched = api.request("PATCH", path, {"status": status}, "application/merge-patch+json")
    assert patched.status == 200, patched.message
    head, row = api_server.kubectl("get", "ar", "-n", "columns").out.splitlines()
    assert head.split() == ["NAME", "VERSION", "READY", "BUNDLE", "AGE"]
    assert row.split()[:4] == ["publisher", "1.2.0", "True", "0123456789ab"]
    for short, kind in (("orch", "Orchestration"), ("ts", "ToolServer"), ("mp", "ModelProvider"), ("mr", "ModelRoute")):
        shown = api_server.kubectl("get", short, "-n", "columns", "-o", "jsonpath={.items[0].kind}")
        assert shown.out == kind, shown.err


def test_status_is_no_part_of_what_an_author_writes(api: Api) -> None:
    """A status in a manifest is dropped at creation, and writing one changes no generation."""
    manifest = _reference("Budget")
    made = api.create(manifest | {"status": {"bundle": "made-up"}})
    assert made.status == 201
    assert "status" not in made.body


def test_kubectl_explains_the_fields(api_server: ApiServer) -> None:
    """What the models' authors wrote is what `kubectl explain` says."""
    said = api_server.kubectl("explain", "agentroles.spec.tools.untrusted")
    assert "when the agent has seen untrusted content" in " ".join(said.out.split())


def test_an_applier_that_asks_for_no_validation_still_gets_no_unknown_field_in(api_server: ApiServer) -> None:
    """Server-side apply refuses unknown fields whatever it is asked: so do GitOps controllers that use it."""
    text = json.dumps(_reference("Budget") | {"spec": {**_reference("Budget")["spec"], "alertsAt": ["50%"]}})
    refused = api_server.kubectl("apply", "--server-side", "--validate=ignore", "-f", "-", given=text)
    assert refused.code != 0
    assert ".spec.alertsAt" in refused.err


def _reference(kind: str) -> dict[str, Any]:
    name = "libs/governance/tests/reference.yaml"
    found = examples.resources(name, EXAMPLES[name])
    return next(resource.to_manifest() for resource in found if kind == resource.KIND)
