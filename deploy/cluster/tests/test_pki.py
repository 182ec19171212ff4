"""Certificates carry the names and groups that Kubernetes authorizes by."""

from __future__ import annotations

import json
import stat

from amas_test_cluster.addresses import API_SERVICE_IP, API_URL, NODE_IP
from amas_test_cluster.layout import Layout
from amas_test_cluster.pki import write_pki
from cryptography import x509
from cryptography.x509.oid import NameOID


def certificate(layout: Layout, name: str) -> x509.Certificate:
    """A certificate that was written."""
    return x509.load_pem_x509_certificate((layout.pki / f"{name}.crt").read_bytes())


def test_every_certificate_is_signed_and_every_key_is_private(layout: Layout) -> None:
    """Keys are for their owner alone, and each certificate is of one of the two authorities."""
    write_pki(layout)
    for path in layout.pki.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in layout.pki.glob("*.crt"):
        issuer = "front-proxy-ca" if path.stem.startswith("front-proxy") else "ca"
        certificate(layout, path.stem).verify_directly_issued_by(certificate(layout, issuer))


def test_the_api_is_known_by_its_addresses(layout: Layout) -> None:
    """Pods reach it by the Service's address, the node by its own."""
    write_pki(layout)
    names = certificate(layout, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {NODE_IP, API_SERVICE_IP} <= addresses
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_the_administrator_and_the_node_are_in_their_groups(layout: Layout) -> None:
    """RBAC and the Node authorizer go by the organization of a client's certificate."""
    write_pki(layout)
    for name, group in (("admin", "system:masters"), ("kubelet", "system:nodes")):
        (organization,) = certificate(layout, name).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        assert organization.value == group


def test_the_kubeconfig_names_the_api_and_is_private(layout: Layout) -> None:
    """Whoever reads it is the administrator."""
    write_pki(layout)
    path = layout.kubeconfig
    assert json.loads(path.read_text())["clusters"][0]["cluster"]["server"] == API_URL
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
