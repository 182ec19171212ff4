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

from amas_cli.certificates import RENEW_BEFORE, Pair, ends_within, fits, is_issued_by, new_certificate, spiffe_id
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .authority import Authority, AuthoritySecret
from .plain_secrets import check_keys
from .ports import TLS_KIND, SecretStore, StoredSecret
from .settings import SetupFile

TLS_KEYS = ("tls.crt", "tls.key", "ca.crt")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How many pairs were made, renewed, told of another authority, and left as they were."""

    made: int = 0
    renewed: int = 0
    told: int = 0
    kept: int = 0


class CertificateSecrets:
    """Certificates of one installation."""

    def __init__(self, store: SecretStore, setup: SetupFile) -> None:
        self._store = store
        self._setup = setup
        self._names = setup.named()
        self._authority = AuthoritySecret(store, self._names.ca, setup.release)

    def ensure(self, renew_before: dt.timedelta) -> Report:
        """Makes what is missing and renews what ends within that time. CliError for what cannot be used."""
        found = self._found()
        orphan = next((secret.name for secret in found.values() if secret is not None and secret.ours), "")
        if orphan and not self._authority.exists():
            raise CliError(
                f"The secret {self._names.ca} is gone, while {orphan} was issued by the authority in it.",
                next_step=f"restore {self._names.ca}; or delete all secrets of certificates, so that all are made anew",
                exit_code=ExitCode.CONFLICT,
            )
        return self._each(renew_before, make=True)

    def rotate(self, renew_before: dt.timedelta | None) -> Report:
        """Renews what ends within that time, or all, and goes on with an authority that is due to be replaced.

        Makes no authority beside none: CliError if there is none.
        """
        due = self._authority.is_due()
        report = self._each(renew_before, make=False)
        if due and report.told == report.renewed == 0:
            try:
                self.rotate_authority()
            except CliError as error:
                # Too early, or not ours to do: certificates are in place all the same.
                _log.warning(error.message, extra={"next": error.next_step})
        return report

    def rotate_authority(self) -> Report:
        """Takes the next of three steps (see authority.py). CliError if the last one is too fresh."""
        foreign = [secret.name for secret in self._found().values() if secret is not None and not secret.ours]
        if foreign:
            raise CliError(
                f"The authority cannot be replaced here: {', '.join(foreign)} was not made here.",
                next_step="replace the authority where those certificates are made",
                exit_code=ExitCode.CONFLICT,
            )
        self._authority.require()
        behind = self._each(RENEW_BEFORE, make=False)
        if behind.renewed or behind.told:
            # What the last step was about was not in all Secrets: a run that was cut off.
            self._authority.restart_pause()
            return behind
        self._authority.advance()
        return self._each(RENEW_BEFORE, make=False)

    def _found(self) -> dict[str, StoredSecret | None]:
        return {service: self._store.find(name) for service, name in self._names.tls.items()}

    def _each(self, renew_before: dt.timedelta | None, *, make: bool) -> Report:
        found = self._found()
        authority = self._authority.ensure()
        made = renewed = told = kept = 0
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
            elif current.data["ca.crt"] != authority.trusted:
                told += self._store.replace(current, {**current.data, "ca.crt": authority.trusted})
            else:
                kept += 1
        return Report(made, renewed, told, kept)

    def _make(self, service: str, authority: Authority) -> int:
        name = self._names.tls[service]
        made = self._store.create(name, self._issue(service, authority), TLS_KIND)
        if made:
            _log.info("a certificate was made", extra={"secret": name, "identity": self._identity(service)})
        return int(made)

    def _renew(self, service: str, current: StoredSecret, authority: Authority) -> int:
        renewed = self._store.replace(current, self._issue(service, authority))
        # Not renewed: somebody else was first, and has renewed it.
        if renewed:
            _log.info("a certificate was renewed", extra={"secret": current.name, "identity": self._identity(service)})
        return int(renewed)

    def _issue(self, service: str, authority: Authority) -> Mapping[str, bytes]:
        try:
            pair = new_certificate(
                authority.signer,
                service,
                trust_domain=self._setup.trust_domain,
                dns_names=self._setup.dns_names(service),
            )
        except ValueError as error:
            raise CliError(
                f"The secret {self._names.ca} cannot be used: {error}.", exit_code=ExitCode.CONFLICT
            ) from error
        return {"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.trusted}

    def _needs_renewal(self, current: StoredSecret, authority: Authority, renew_before: dt.timedelta) -> bool:
        try:
            cert = current.data["tls.crt"]
            return ends_within(cert, renew_before) or not is_issued_by(cert, authority.signer.cert)
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
