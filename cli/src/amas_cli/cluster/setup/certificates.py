"""The certificates of an installation as Secrets: an authority, and one pair for each service and for the auditor.

A pair that this program made is renewed before it ends, or when asked; one that somebody else put there is checked and
left. Services read renewed files while they run.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509

from amas_cli.certificates import Pair, ends_within, fits, is_issued_by, new_authority, new_certificate, spiffe_id
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .plain_secrets import Wanted, check_keys, ensure_secret
from .ports import TLS_KIND, SecretStore, StoredSecret
from .settings import SetupFile

TLS_KEYS = ("tls.crt", "tls.key", "ca.crt")
CA_KEYS = ("ca.crt", "ca.key")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How many pairs were made, renewed, and left as they were."""

    made: int = 0
    renewed: int = 0
    kept: int = 0


class CertificateSecrets:
    """Certificates of one installation."""

    def __init__(self, store: SecretStore, setup: SetupFile) -> None:
        self._store = store
        self._setup = setup
        self._names = setup.named()

    def ensure(self, renew_before: dt.timedelta) -> Report:
        """Makes what is missing and renews what ends within that time. CliError for what cannot be used."""
        return self._each(renew_before, make=True)

    def rotate(self, renew_before: dt.timedelta | None) -> Report:
        """Renews what ends within that time, or all; makes no authority. CliError if there is none."""
        if self._store.find(self._names.ca) is None:
            raise CliError(
                f"The secret {self._names.ca} with the authority is not there.",
                next_step="run the set-up first, or restore it",
                exit_code=ExitCode.NOT_FOUND,
            )
        return self._each(renew_before, make=False)

    def _each(self, renew_before: dt.timedelta | None, *, make: bool) -> Report:
        found = {service: self._store.find(name) for service, name in self._names.tls.items()}
        authority = self._authority(found)
        made = renewed = kept = 0
        for service, current in found.items():
            if current is None:
                if make:
                    made += self._make(service, authority)
                continue
            check_keys(current, TLS_KEYS)
            if not current.ours:
                self._check_foreign(service, current)
                kept += 1
            elif renew_before is None or self._needs_renewal(current, authority, renew_before):
                renewed += self._renew(service, current, authority)
            else:
                kept += 1
        return Report(made, renewed, kept)

    def _authority(self, found: Mapping[str, StoredSecret | None]) -> Pair:
        orphan = next((secret.name for secret in found.values() if secret is not None and secret.ours), "")
        if orphan and self._store.find(self._names.ca) is None:
            raise CliError(
                f"The secret {self._names.ca} is gone, while {orphan} was issued by the authority in it.",
                next_step=f"restore {self._names.ca}; or delete all secrets of certificates, so that all are made anew",
                exit_code=ExitCode.CONFLICT,
            )
        stored = ensure_secret(self._store, Wanted(self._names.ca, CA_KEYS, self._new_authority))
        pair = Pair(stored.data["ca.crt"], stored.data["ca.key"])
        try:
            usable = fits(pair)
        except ValueError:
            usable = False
        if not usable:
            raise CliError(
                f"The secret {stored.name} cannot be used: it is no pair of a certificate and its key.",
                next_step="restore it",
                exit_code=ExitCode.CONFLICT,
            )
        if ends_within(pair.cert, dt.timedelta(0)):
            raise CliError(
                f"The authority in the secret {stored.name} has ended.",
                next_step="delete it and all secrets of certificates, run this again and restart all pods",
                exit_code=ExitCode.CONFLICT,
            )
        return pair

    def _new_authority(self) -> Mapping[str, bytes]:
        pair = new_authority(f"AMAS {self._setup.release} CA")
        return {"ca.crt": pair.cert, "ca.key": pair.key}

    def _make(self, service: str, authority: Pair) -> int:
        name = self._names.tls[service]
        made = self._store.create(name, self._issue(service, authority), TLS_KIND)
        if made:
            _log.info("a certificate was made", extra={"secret": name, "identity": self._identity(service)})
        return int(made)

    def _renew(self, service: str, current: StoredSecret, authority: Pair) -> int:
        renewed = self._store.replace(current, self._issue(service, authority))
        # Not renewed: somebody else was first, and has renewed it.
        if renewed:
            _log.info("a certificate was renewed", extra={"secret": current.name, "identity": self._identity(service)})
        return int(renewed)

    def _issue(self, service: str, authority: Pair) -> Mapping[str, bytes]:
        try:
            pair = new_certificate(
                authority,
                service,
                trust_domain=self._setup.trust_domain,
                dns_names=self._setup.dns_names(service),
            )
        except ValueError as error:
            raise CliError(
                f"The secret {self._names.ca} cannot be used: {error}.", exit_code=ExitCode.CONFLICT
            ) from error
        return {"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.cert}

    def _needs_renewal(self, current: StoredSecret, authority: Pair, renew_before: dt.timedelta) -> bool:
        try:
            cert = current.data["tls.crt"]
            return ends_within(cert, renew_before) or not is_issued_by(cert, authority.cert)
        except ValueError:
            # It is ours and no certificate any more: made anew like one that has ended.
            return True

    def _check_foreign(self, service: str, current: StoredSecret) -> None:
        """CliError for a pair of somebody else's that no service of ours could use."""
        try:
            certificate = x509.load_pem_x509_certificates(current.data["tls.crt"])[0]
            own = fits(Pair(current.data["tls.crt"], current.data["tls.key"]))
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound) as error:
            raise self._unusable(current, "it is no certificate with names, or no key") from error
        if not own:
            raise self._unusable(current, "its key is not that of its certificate")
        if self._identity(service) not in names.get_values_for_type(x509.UniformResourceIdentifier):
            raise self._unusable(current, f"its certificate does not name {self._identity(service)}")
        if certificate.not_valid_after_utc <= dt.datetime.now(dt.UTC):
            raise self._unusable(current, "its certificate has ended")

    def _unusable(self, current: StoredSecret, why: str) -> CliError:
        return CliError(
            f"The secret {current.name}, which was not made here, cannot be used: {why}.",
            next_step="put a pair of that name in, or delete the secret so that one is made",
            exit_code=ExitCode.CONFLICT,
        )

    def _identity(self, service: str) -> str:
        return spiffe_id(service, self._setup.trust_domain)
