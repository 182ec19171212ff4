"""Mutual TLS from files that change while the process runs.

Certificates are short-lived and rewritten in place, so a server reads them again at a handshake and a client when a
channel is next used. A pair that does not fit together (seen between two writes) is never taken: the last good one
stays. It must never log key material.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

__all__ = ["FileWatch", "TlsFiles", "TlsMaterial", "client_credentials", "server_credentials"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TlsMaterial:
    """The contents of the files, checked to fit together."""

    cert: bytes
    key: bytes
    ca: bytes


@dataclass(frozen=True)
class TlsFiles:
    """Where a process's certificate chain, private key and authority are (PEM)."""

    cert: Path
    key: Path
    ca: Path

    def version(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when any of the files is rewritten or replaced; OSError if one is missing."""
        stats = (path.stat() for path in (self.cert, self.key, self.ca))
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def read(self) -> TlsMaterial:
        """The material; ValueError if the key is not the certificate's or a file is no PEM, OSError if unreadable."""
        material = TlsMaterial(self.cert.read_bytes(), self.key.read_bytes(), self.ca.read_bytes())
        certificate = x509.load_pem_x509_certificates(material.cert)[0]
        key = load_pem_private_key(material.key, password=None)
        x509.load_pem_x509_certificates(material.ca)
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
            raise ValueError(f"the key in {self.key} is not that of the certificate in {self.cert}")
        return material


class FileWatch:
    """Says when files have changed to something usable. Safe to call from several threads."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._version = files.version()
        self.material = files.read()

    def changed(self) -> TlsMaterial | None:
        """The new material if the files changed since the last call and fit together, else None."""
        with self._lock:
            try:
                version = self._files.version()
                if version == self._version:
                    return None
                material = self._files.read()
            except (OSError, ValueError) as error:
                _log.warning("TLS files are not usable yet, keeping the last good ones: %s", error)
                return None
            self._version = version
            if material == self.material:
                return None
            self.material = material
            _log.info("TLS files reloaded", extra={"cert_file": str(self._files.cert)})
            return material


def server_credentials(files: TlsFiles, *, require_client_certificate: bool = True) -> grpc.ServerCredentials:
    """Credentials that read the files again at each handshake after they changed."""
    watch = FileWatch(files)

    def configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
        roots = material.ca if require_client_certificate else None
        return grpc.ssl_server_certificate_configuration([(material.key, material.cert)], root_certificates=roots)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        material = watch.changed()
        return None if material is None else configuration(material)

    return grpc.dynamic_ssl_server_credentials(
        configuration(watch.material),
        fetch,  # type: ignore[arg-type]  # the stubs do not know that None means "unchanged"
        require_client_authentication=require_client_certificate,
    )


def client_credentials(material: TlsMaterial) -> grpc.ChannelCredentials:
    """Credentials of a client that proves who it is."""
    return grpc.ssl_channel_credentials(material.ca, material.key, material.cert)
