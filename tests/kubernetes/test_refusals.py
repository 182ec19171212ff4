"""What the API server refuses: the field is named, and never is anything refused that the models would take."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from amas_governance.custom_resources import NAMES
from amas_governance.problems import field_path
from amas_governance.resources import ManifestError, parse_manifest

from . import examples
from .api_server import ApiServer
from .http import Api
from .invalid import FOUND_BY_THE_MODELS_ALONE, REFUSED_AT_ADMISSION, Mistake, valid

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
REFERENCE = "libs/governance/tests/reference.yaml"
# No 1e9: it is a whole number to JSON, and none to an API server where a size may be a number or a text.
_ODD: tuple[Any, ...] = (0, -1, 1, 3.5, 2**31, True, "", "x", "X y", "0s", "90s", "1d", "1Mi", "5%", "2/h", "1.0.0")
_ODD_CONTAINERS: tuple[Any, ...] = ([], {}, ["x"], ["pii", "pii"], {"x": "y"}, [{}])


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[Api]:
    """A connection as the administrator."""
    found = Api(api_server)
    yield found
    found.close()


@pytest.mark.parametrize("mistake", REFUSED_AT_ADMISSION, ids=str)
def test_a_mistake_is_refused_with_its_field(api: Api, mistake: Mistake) -> None:
    """At admission, and by the models too: the definition is never stricter than they are."""
    answer = api.create(mistake.manifest())
    assert answer.status in (400, 422), answer.body
    assert mistake.field in answer.message
    assert mistake.words in answer.message
    with pytest.raises(ManifestError):
        parse_manifest(mistake.manifest())


@pytest.mark.parametrize("mistake", FOUND_BY_THE_MODELS_ALONE, ids=str)
def test_what_a_definition_cannot_say_is_found_by_the_models(api: Api, mistake: Mistake) -> None:
    """The controller refuses it, with the field; if the API server learns to, the case moves to the other table."""
    assert api.create(mistake.manifest()).status == 201
    with pytest.raises(ManifestError) as refused:
        parse_manifest(mistake.manifest())
    assert mistake.field in {field_path(path) for path, _ in refused.value.problems}


def test_kubectl_shows_the_field(api_server: ApiServer) -> None:
    """A person sees which field is wrong and what was expected."""
    text = (
        "apiVersion: amas.dev/v1alpha1\nkind: Quota\nmetadata: {name: q}\n"
        "spec: {subject: {tenant: acme}, window: day, calls: 5, bytesIn: 2Ki}\n"
    )
    refused = api_server.kubectl("apply", "--dry-run=server", "-f", "-", given=text)
    assert refused.code != 0
    assert 'The Quota "q" is invalid: spec.bytesIn' in refused.err
    assert "expected 4Ki to 1024Gi" in refused.err


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_a_dns_label(api: Api, kind: str) -> None:
    """Kubernetes would take a dot and 253 characters; a resource's name has neither."""
    for name in ("a.b", "a" * 64):
        answer = api.create(valid(kind) | {"metadata": {"name": name}})
        assert answer.status == 422
        assert "metadata.name" in answer.message


@pytest.mark.parametrize("kind", NAMES)
def test_nothing_is_refused_that_the_models_take(api: Api, kind: str) -> None:
    """Each value of an example is replaced by odd ones: where the models agree, so does the API server."""
    disagreed, agreed = [], 0
    for manifest in _bent(kind):
        try:
            parse_manifest(manifest)
        except ManifestError:
            continue
        answer = api.create(manifest)
        agreed += 1
        if answer.status != 201:
            disagreed.append(answer.message)
    assert not disagreed
    assert agreed >= 5


def _bent(kind: str) -> Iterator[dict[str, Any]]:
    for resource in examples.resources(REFERENCE, examples.files()[REFERENCE]):
        if kind == resource.KIND:
            whole = resource.to_manifest()
            for path in _places(whole["spec"], ("spec",)):
                for odd in (*_ODD, *_ODD_CONTAINERS):
                    yield _replaced(whole, path, odd)


def _places(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from _places(child, (*path, key))


def _replaced(manifest: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(manifest)
    here = changed
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return dict(changed)
