"""The cluster's certificates: one authority for the API, one for its aggregation layer, made anew at each start."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .addresses import API_SERVICE_IP, API_URL, NODE_IP, NODE_NAME
from .files import write, write_json
from .layout import Layout

# The cluster is for tests and lives for hours; a clock that is behind may differ by this much.
LIFETIME = timedelta(days=30)
SKEW = timedelta(minutes=5)

API_NAMES = (
    "127.0.0.1",
    NODE_IP,
    API_SERVICE_IP,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class Authority:
    """A certificate authority that writes what it signs into one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        self.key = write(folder / f"{name}.key", _private_pem(self._key), 0o600)

    def issue(self, file: str, common_name: str, organization: str = "", names: tuple[str, ...] = ()) -> None:
        """Signs a certificate for clients, and for servers if it has `names` (addresses or DNS names)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization:
            subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        builder = _builder(x509.Name(subject), self._name, key).add_extension(
            x509.ExtendedKeyUsage(purposes), critical=False
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        write(self._folder / f"{file}.crt", signed.public_bytes(serialization.Encoding.PEM))
        write(self._folder / f"{file}.key", _private_pem(key), 0o600)


def write_pki(layout: Layout) -> None:
    """Makes all certificates and kubeconfig files."""
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(layout.pki, "ca")
    aggregation = Authority(layout.pki, "front-proxy-ca")
    authority.issue("apiserver", "kube-apiserver", names=API_NAMES)
    authority.issue("kubelet-client", "apiserver-kubelet", "system:masters")
    authority.issue("keda", "keda", names=("127.0.0.1", NODE_IP, "localhost"))
    aggregation.issue("front-proxy-client", "front-proxy-client")
    authority.issue("admin", "admin", "system:masters")
    for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        authority.issue(component, f"system:{component}")
    authority.issue("kubelet", f"system:node:{NODE_NAME}", "system:nodes", (NODE_IP, NODE_NAME))
    for user in ("admin", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"):
        _write_kubeconfig(layout, user)
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write(layout.pki / "service-accounts.key", _private_pem(signing), 0o600)
    public = signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write(layout.pki / "service-accounts.pub", public)


def _write_kubeconfig(layout: Layout, user: str) -> None:
    cluster = {"server": API_URL, "certificate-authority-data": _encoded(layout.pki / "ca.crt")}
    access = {
        "client-certificate-data": _encoded(layout.pki / f"{user}.crt"),
        "client-key-data": _encoded(layout.pki / f"{user}.key"),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "amas-cluster", "cluster": cluster}],
        "users": [{"name": user, "user": access}],
        "contexts": [{"name": "amas-cluster", "context": {"cluster": "amas-cluster", "user": user}}],
        "current-context": "amas-cluster",
    }
    write_json(layout.state / f"{user}.kubeconfig", content, 0o600)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
