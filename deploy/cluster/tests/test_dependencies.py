"""Dependencies keep the rules that the platform's own pods keep, and their secrets match on both sides."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from amas_test_cluster.dependencies import IMAGES, make_secrets, start_dependencies
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.files import render
from amas_test_cluster.images import references
from amas_test_cluster.kubectl import Kubectl
from amas_test_cluster.layout import Layout
from cryptography import x509
from ruamel.yaml import YAML

FOLDER = Path(__file__).resolve().parents[1] / "dependencies"
TAGS = {f"{name.replace('-', '_')}_tag": "1.0.0" for name in IMAGES}

# Stands for the program that is kubectl: keeps what is applied, and knows the Secrets that were.
FAKE_HYPER = """#!/bin/sh
folder=$(dirname "$0")
case "$*" in
  *" apply "*) cat > "$folder/applied.json";;
  *"get secret"*) [ -e "$folder/applied.json" ];;
esac
"""


def manifests() -> list[dict[str, Any]]:
    """Every object of the dependencies."""
    yaml = YAML(typ="safe")
    return [one for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.load_all(render(path, **TAGS))]


def pod_specs() -> list[Any]:
    """The pods, each under its workload's name."""
    workloads = [one for one in manifests() if one["kind"] in ("Deployment", "StatefulSet")]
    return [pytest.param(one["spec"]["template"]["spec"], id=one["metadata"]["name"]) for one in workloads]


@pytest.mark.parametrize("pod", pod_specs())
def test_pods_are_restricted(pod: dict[str, Any]) -> None:
    """The restricted Pod Security standard, a read-only root, no token, and a bound for memory."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert "readinessProbe" in container
        assert container["image"].startswith("registry.local/amas/")


def test_services_lead_to_ports_that_pods_name() -> None:
    """Each Service finds its pods, and the port that it names."""
    objects = manifests()
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]
        for one in objects
        if one["kind"] in ("Deployment", "StatefulSet")
    }
    services = [one for one in objects if one["kind"] == "Service"]
    assert len(services) == len(pods)
    for service in services:
        template = pods[service["metadata"]["name"]]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.fixture
def kubectl(layout: Layout, tmp_path: Path) -> Kubectl:
    """A kubectl that we made."""
    program = tmp_path / "hyper"
    program.write_text(FAKE_HYPER)
    program.chmod(0o755)
    return Kubectl([str(program), "kubectl"], layout)


def test_clients_know_what_servers_ask_for(kubectl: Kubectl, tmp_path: Path) -> None:
    """Passwords are the same in both namespaces, and the issuer's certificate is of the authority that clients get."""
    make_secrets(kubectl)
    made = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): {
            name: base64.b64decode(value).decode() for name, value in one["data"].items()
        }
        for one in json.loads((tmp_path / "applied.json").read_text())["items"]
    }
    assert made["amas-deps", "postgres"] == made["amas", "postgres-admin"]
    assert made["amas-deps", "valkey"] == made["amas", "valkey"]
    assert made["amas-deps", "issuer-clients"] == made["amas", "issuer-clients"]
    token = made["amas-deps", "mcp-workspace"]["tokens"]
    assert made["amas", "tool-credentials"]["workspace"] == f"Bearer {token}"
    authority = x509.load_pem_x509_certificate(made["amas", "issuer-ca"]["ca.crt"].encode())
    certificate = x509.load_pem_x509_certificate(made["amas-deps", "issuer-tls"]["tls.crt"].encode())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "issuer.amas-deps.svc" in names.get_values_for_type(x509.DNSName)
    secret = [
        value for content in made.values() for name, value in content.items() if not name.startswith(("tls", "ca"))
    ]
    assert all(len(value) >= 43 for value in secret)


def test_a_second_call_changes_no_password(kubectl: Kubectl, tmp_path: Path) -> None:
    """What runs with a password keeps it."""
    make_secrets(kubectl)
    before = (tmp_path / "applied.json").read_text()
    make_secrets(kubectl)
    assert (tmp_path / "applied.json").read_text() == before


def archive(path: Path, *tags: str) -> None:
    """A docker archive with nothing but its list of images."""
    content = json.dumps([{"RepoTags": list(tags)}]).encode()
    entry = tarfile.TarInfo("manifest.json")
    entry.size = len(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as target:
        target.addfile(entry, io.BytesIO(content))


@pytest.fixture
def checkout(tmp_path: Path) -> Layout:
    """A layout whose images are ours."""
    source = tmp_path / "checkout/deploy/cluster"
    source.mkdir(parents=True)
    return Layout(source, tmp_path / "cache", tmp_path / "state", "")


def test_tags_are_those_that_were_built(checkout: Layout) -> None:
    """Dependencies run the images that `make images` wrote, whatever they are called."""
    archive(checkout.images / "postgres.tar", "registry.local/amas/postgres:1.2.3")
    assert references(checkout) == {"postgres": "1.2.3"}


def test_a_file_that_is_no_image_is_named(checkout: Layout) -> None:
    """The sentence says which file, and what to do."""
    checkout.images.mkdir(parents=True)
    (checkout.images / "postgres.tar").write_text("half")
    with pytest.raises(ClusterError, match=r"postgres\.tar is no docker archive .* `make images`"):
        references(checkout)


def test_without_images_they_wait(checkout: Layout, kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is applied that could not start, and it is said what is missing."""
    archive(checkout.images / "postgres.tar", "registry.local/amas/postgres:1.2.3")
    start_dependencies(checkout, kubectl)
    assert "dependencies wait for the images valkey, cli, mcp-workspace" in capsys.readouterr().out
