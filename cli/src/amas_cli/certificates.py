"""Makes certificates for mutual TLS, in memory: an authority, and a workload's certificate with its SPIFFE name.

Whoever calls decides where they are kept: files on a laptop, Secrets in a cluster. Where cert-manager is, it takes this
place. Source: SPIFFE X.509-SVID specification (a URI SAN names the workload); RFC 5280.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TRUST_DOMAIN = "amas.internal"
ROOT_LIFETIME = dt.timedelta(days=365)
CERTIFICATE_LIFETIME = dt.timedelta(days=30)
RENEW_BEFORE = dt.timedelta(days=7)
"""A certificate that would end within this time is made anew."""
# Clocks of two processes on one machine agree; those of two nodes, or of a machine that was suspended, may not.
BACKDATE = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    cert: bytes
    key: bytes


def spiffe_id(service: str, trust_domain: str = TRUST_DOMAIN) -> str:
    """The name by which peers know a workload, wherever it runs."""
    return f"spiffe://{trust_domain}/ns/amas/sa/{service}"


def new_authority(common_name: str) -> Pair:
    """A root that signs workloads' certificates and no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
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
    return Pair(root.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def new_certificate(
    authority: Pair, service: str, *, trust_domain: str = TRUST_DOMAIN, dns_names: Sequence[str] = ()
) -> Pair:
    """A workload's certificate, for both ends of a connection; it ends with its authority at the latest.

    ValueError if the authority's key is no elliptic-curve key; that it is its certificate's own is for callers to know.
    """
    root = x509.load_pem_x509_certificate(authority.cert)
    root_key = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is no elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(spiffe_id(service, trust_domain)),
        # Clients check this one, whatever address they reach the service by.
        x509.DNSName(f"{service}.{trust_domain}"),
        *(x509.DNSName(name) for name in dns_names),
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
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def ends_within(cert: bytes, left: dt.timedelta) -> bool:
    """Whether a certificate (PEM) has no more than this time left."""
    return x509.load_pem_x509_certificate(cert).not_valid_after_utc - left <= dt.datetime.now(dt.UTC)


def is_issued_by(cert: bytes, root: bytes) -> bool:
    """Whether the authority (PEM) signed the certificate (PEM)."""
    certificate, authority = x509.load_pem_x509_certificate(cert), x509.load_pem_x509_certificate(root)
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # the library raises several kinds; each means no
        return False
    return True


def fits(pair: Pair) -> bool:
    """Whether the key is the certificate's own. ValueError for what is no PEM."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    named = x509.load_pem_x509_certificates(pair.cert)[0].public_key()
    held = serialization.load_pem_private_key(pair.key, password=None).public_key()
    return named.public_bytes(*form) == held.public_bytes(*form)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
