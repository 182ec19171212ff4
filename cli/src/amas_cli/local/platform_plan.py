"""Which step of the platform's start needs which: certificates, databases, migrations, services."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from .audit_key import ensure_audit_key, ensure_master_key
from .environment import AUDITOR, SERVICES, Wiring
from .migrations import WITH_DATABASE, log_name, migrate, was_migrated
from .parts import (
    embedded_postgres,
    embedded_valkey,
    issuer_spec,
    postgres_spec,
    scripted_model_spec,
    service_spec,
    valkey_spec,
)
from .processes import PartFailedError, ProcessSpec
from .startup import Step

RUN_PART = Callable[[ProcessSpec], Awaitable[None]]


class PlatformPlan:
    """The steps of one start. `run_part` starts a process and answers when it is ready."""

    def __init__(self, wiring: Wiring, run_part: RUN_PART) -> None:
        self._wiring = wiring
        self._run_part = run_part
        self._postgres = embedded_postgres(wiring.home, wiring.ports["postgres"])
        self._valkey = embedded_valkey(wiring.home, wiring.ports["valkey"])

    def steps(self) -> list[Step]:
        """All steps; a service without a database need not wait for one to load its code."""
        needs: dict[str, tuple[str, ...]] = {
            "audit": ("certificates", self._tables("audit")),
            "orchestrator": ("certificates", self._tables("orchestrator")),
            "ai-router": ("certificates", "valkey", log_name("ai-router")),
            "policy-sidecar": ("certificates", "valkey"),
            "gateway": ("certificates", "valkey", "issuer"),
        }
        return [
            Step("certificates", (), self._certificates),
            Step("postgres", (), self._start_postgres),
            Step("valkey", (), self._start_valkey),
            Step("issuer", (), lambda: self._run_part(issuer_spec(self._wiring))),
            Step("scripted-model", (), lambda: self._run_part(scripted_model_spec(self._wiring))),
            Step("database", ("postgres",), self._create_database),
            *(self._migration(service) for service in WITH_DATABASE),
            *(Step(service, needs[service], self._service(service)) for service in SERVICES),
        ]

    def _tables(self, service: str) -> str:
        """What a service that waits for its tables needs: in a new database there is nothing that it could mistake for
        them, and it loads its code meanwhile. In a known one, an engine's old tables may look like the new ones."""
        return "database" if self._postgres.is_new else log_name(service)

    def _migration(self, service: str) -> Step:
        needs = ("certificates", "database")
        return Step(log_name(service), needs, lambda: migrate(service, self._wiring))

    def _service(self, service: str) -> Callable[[], Awaitable[None]]:
        return lambda: self._run_part(service_spec(service, self._wiring))

    async def _certificates(self) -> None:
        await asyncio.to_thread(ensure_audit_key, self._wiring.home)
        await asyncio.to_thread(ensure_master_key, self._wiring.home)
        await asyncio.to_thread(self._issue_certificates)

    def _issue_certificates(self) -> None:
        from .authority import ensure_authority, issue_certificate

        folder = self._wiring.home.certificates
        ensure_authority(folder)
        files = {service: issue_certificate(folder, service) for service in SERVICES}
        issue_certificate(folder, AUDITOR)
        self._wiring = replace(self._wiring, certificates=files)

    async def _start_postgres(self) -> None:
        from .database_setup import ensure_password

        ensure_password(self._postgres.password_file)
        place = self._wiring.home.postgres
        # A link that leads nowhere is told by `prepare`.
        if self._postgres.is_new and not place.is_symlink() and was_migrated(self._wiring.home):
            raise PartFailedError(
                "postgres",
                f"its data is gone from {place}; bring it back, or take away all that belongs to it "
                "(`amas down --delete`) and begin anew",
            )
        await asyncio.to_thread(self._postgres.prepare)
        await self._run_part(postgres_spec(self._wiring.home, self._postgres))

    async def _start_valkey(self) -> None:
        from .database_setup import ensure_password

        ensure_password(self._valkey.password_file)
        ensure_password(self._wiring.home.secrets / "pseudonyms")
        self._valkey.prepare()
        await self._run_part(valkey_spec(self._wiring.home, self._valkey))

    async def _create_database(self) -> None:
        from .database_setup import ensure_databases

        await ensure_databases(self._postgres.dsn(), self._wiring.home.secrets)


@functools.cache
def repository_root() -> Path:
    """Folder of the checkout that this package was installed from, which has `policies/` in it."""
    return Path(__file__).resolve().parents[4]
