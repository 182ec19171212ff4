"""The development certificate authority in files: one root, one short-lived certificate a service.

For the platform on one machine and for tests. On Kubernetes cert-manager or the set-up Job takes this place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from amas_cli.certificates import RENEW_BEFORE, Pair, ends_within, is_issued_by, new_authority, new_certificate


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
    if cert_file.exists() and key_file.exists() and not ends_within(cert_file.read_bytes(), RENEW_BEFORE):
        return cert_file
    root = new_authority("AMAS development CA")
    _write_private(key_file, root.key)
    _write(cert_file, root.cert)
    return cert_file


def issue_certificate(folder: Path, service: str, *, renew: bool = False) -> CertificateFiles:
    """Creates a service's certificate in the authority's folder, unless a good one is there.

    `renew` makes a new one in any case. The key is replaced before the certificate, each by a rename, so that a reader
    never sees half a file.
    """
    files = CertificateFiles(folder / f"{service}.pem", folder / f"{service}.key", folder / "ca.pem")
    root = files.ca.read_bytes()
    if not renew and files.cert.exists() and files.key.exists():
        current = files.cert.read_bytes()
        if not ends_within(current, RENEW_BEFORE) and is_issued_by(current, root):
            return files
    made = new_certificate(Pair(root, (folder / "ca.key").read_bytes()), service)
    _write_private(files.key, made.key)
    _write(files.cert, made.cert)
    return files


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
