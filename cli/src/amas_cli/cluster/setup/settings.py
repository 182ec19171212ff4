"""What to set up, from the JSON file that the chart writes. A secret is never in it: only names and paths.

Members are spelt as in the chart's values, and none is ignored.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from amas_cli.certificates import TRUST_DOMAIN
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.database_setup import SCHEMAS, roles_of

AUDITOR = "auditor"
"""Whose client certificate may read entries of the audit log over HTTPS, as the audit service has it by default."""
SERVICES = ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit")
MAX_FILE_BYTES = 256 * 1024
# RFC 1123 subdomain, as Kubernetes names Secrets; and a label of it for a namespace.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Certificates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`job`: made here; otherwise cert-manager or somebody else puts them into the same Secrets."""

    mode: Literal["job", "certManager", "existing"] = "job"


class DatabaseSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The server on which roles and schemas are made, if `enabled`."""

    enabled: bool = False
    host: str = ""
    port: int = 5432
    name: str = "amas"
    admin_user: str = "postgres"
    admin_password_file: str = ""
    admin_database: str = "postgres"
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    """As libpq has it; `verify-*` read the roots at `sslRootCertFile`."""
    ssl_root_cert_file: str = ""
    wait_seconds: float = 60.0
    """How long a server that is away is waited for."""


class SecretNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Names of the Secrets; what is not named here is called after the release."""

    tls: dict[str, str] = {}
    ca: str = ""
    postgres: dict[str, str] = {}
    audit_signing_key: str = ""
    audit_master_key: str = ""
    pseudonyms: str = ""
    opa: str = ""


class SetupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The whole file."""

    release: str
    namespace: str
    trust_domain: str = TRUST_DOMAIN
    certificates: Certificates = Certificates()
    services: tuple[str, ...] = SERVICES
    database: DatabaseSetup = DatabaseSetup()
    secrets: SecretNames = SecretNames()
    labels: dict[str, str] = {}

    def named(self) -> SecretNames:
        """All names."""
        given, release = self.secrets, self.release
        roles = [role for service in SCHEMAS if service in self.services for role in roles_of(service)]
        return SecretNames(
            tls={name: given.tls.get(name) or f"{release}-{name}-tls" for name in (*self.services, AUDITOR)},
            ca=given.ca or f"{release}-ca",
            postgres={
                role: given.postgres.get(role) or f"{release}-postgres-{role.removeprefix('amas_').replace('_', '-')}"
                for role in roles
            },
            audit_signing_key=given.audit_signing_key or f"{release}-audit-signing-key",
            audit_master_key=given.audit_master_key or f"{release}-audit-master-key",
            pseudonyms=given.pseudonyms or f"{release}-pseudonyms",
            opa=given.opa or f"{release}-opa",
        )

    def dns_names(self, service: str) -> tuple[str, ...]:
        """By which names a service is reached inside the cluster."""
        host = f"{self.release}-{service}"
        return (host, f"{host}.{self.namespace}", f"{host}.{self.namespace}.svc")


def read_setup_file(path: Path) -> SetupFile:
    """The file's content. CliError, exit code 2, with what is wrong in it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
        setup = msgspec.json.decode(content, type=SetupFile)
        _check(setup)
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except msgspec.ValidationError as error:
        raise _refused(path, str(error)) from error
    except msgspec.DecodeError as error:
        raise _refused(path, f"it is no JSON ({error})") from error
    except ValueError as error:
        raise _refused(path, str(error)) from error
    return setup


def _check(setup: SetupFile) -> None:
    if unknown := set(setup.services) - set(SERVICES):
        raise ValueError(f"no such service: {', '.join(sorted(unknown))} - at `$.services`")
    # Keys that nobody reads would leave the Secret that was meant under another name.
    if strays := set(setup.secrets.tls) - {*SERVICES, AUDITOR}:
        raise ValueError(f"no such certificate: {', '.join(sorted(strays))} - at `$.secrets.tls`")
    if strays := set(setup.secrets.postgres) - {role for service in SCHEMAS for role in roles_of(service)}:
        raise ValueError(f"no such role: {', '.join(sorted(strays))} - at `$.secrets.postgres`")
    names = setup.named()
    secrets = (
        *names.tls.values(), *names.postgres.values(), names.ca, names.audit_signing_key, names.audit_master_key,
        names.pseudonyms, names.opa,
    )  # fmt: skip
    for name in (setup.release, setup.namespace, *secrets):
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name that Kubernetes takes")
    if len(set(secrets)) != len(secrets):
        raise ValueError("two of the secrets have the same name - at `$.secrets`")
    if setup.database.enabled and not (setup.database.host and setup.database.admin_password_file):
        raise ValueError("`host` and `adminPasswordFile` are needed to set a database up - at `$.database`")


def _refused(path: Path, why: str) -> CliError:
    return CliError(
        f"The set-up file {path} cannot be used: {why}.",
        next_step="name a file of the form that docs/cluster-setup.md describes, with AMAS_SETUP_FILE or --file",
        exit_code=ExitCode.USAGE,
    )
