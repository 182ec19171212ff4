"""A certificate authority for tests: files as a platform would write them."""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path

from amas_chassis.tls import TlsFiles
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Authority:
    """Issues certificates with a SPIFFE id for services, below one root."""

    def __init__(self, folder: Path, name: str = "root") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.certificate = builder.sign(self._key, hashes.SHA256())
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(self, service: str, *, uri: str | None = None) -> TlsFiles:
        """A new certificate and key for `service`, replacing its files as an agent would: whole, by rename."""
        key = ec.generate_private_key(ec.SECP256R1())
        uri = uri or f"spiffe://amas.internal/ns/test/sa/{service}"
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(uri),
            x509.DNSName(f"{service}.amas.internal"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, service)])
        builder = self._builder(subject, key).add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        files = TlsFiles(self._folder / f"{service}.crt", self._folder / f"{service}.key", self.ca)
        replace(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        replace(files.cert, certificate.public_bytes(Encoding.PEM))
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )


def replace(path: Path, content: bytes) -> None:
    """Replace a file whole."""
    fresh = path.with_suffix(f"{path.suffix}.new")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def serial(files: TlsFiles) -> int:
    """The serial number of the certificate in the files."""
    return x509.load_pem_x509_certificate(files.cert.read_bytes()).serial_number
