"""The development certificate authority: one root, one short-lived certificate a service, with SPIFFE URI names.

For the platform on one machine and for tests. On Kubernetes cert-manager takes this place.
Source: SPIFFE X.509-SVID specification (URI SAN names the workload); RFC 5280.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TRUST_DOMAIN = "amas.internal"
ROOT_LIFETIME = dt.timedelta(days=365)
CERTIFICATE_LIFETIME = dt.timedelta(days=30)
# A certificate that would end within this time is made anew at the next start.
RENEW_BEFORE = dt.timedelta(days=7)
# Clocks of two processes on one machine agree; a suspended machine may not.
BACKDATE = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of what a process needs for mutual TLS, in PEM."""

    cert: Path
    key: Path
    ca: Path


def ensure_authority(folder: Path) -> Path:
    """Creates the root in a folder when there is none (or it nears its end); answers the root certificate's path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    cert_file, key_file = folder / "ca.pem", folder / "ca.key"
    if cert_file.exists() and key_file.exists() and not _ends_soon(cert_file):
        return cert_file
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AMAS development CA")])
    now = dt.datetime.now(dt.UTC)
    root = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_private(key_file, _key_pem(key))
    _write(cert_file, root.public_bytes(serialization.Encoding.PEM))
    return cert_file


def issue_certificate(folder: Path, service: str, *, renew: bool = False) -> CertificateFiles:
    """Creates a service's certificate in the authority's folder, unless a good one is there.

    `renew` makes a new one in any case. The key is replaced before the certificate, each by a rename, so that a reader
    never sees half a file.
    """
    files = CertificateFiles(folder / f"{service}.pem", folder / f"{service}.key", folder / "ca.pem")
    root = x509.load_pem_x509_certificate(files.ca.read_bytes())
    if not renew and files.cert.exists() and files.key.exists() and not _ends_soon(files.cert):
        current = x509.load_pem_x509_certificate(files.cert.read_bytes())
        if current.issuer == root.subject and _signed_by(current, root):
            return files
    root_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the development CA's key is not an elliptic-curve key; remove its folder and start again")
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/ns/amas/sa/{service}"),
        x509.DNSName(f"{service}.{TRUST_DOMAIN}"),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, service)]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(now + CERTIFICATE_LIFETIME, root.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    _write_private(files.key, _key_pem(key))
    _write(files.cert, certificate.public_bytes(serialization.Encoding.PEM))
    return files


def _ends_soon(cert_file: Path) -> bool:
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    return certificate.not_valid_after_utc - RENEW_BEFORE < dt.datetime.now(dt.UTC)


def _signed_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except Exception:  # the library raises several kinds; each means no
        return False
    return True


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(content)
    fresh.replace(path)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
