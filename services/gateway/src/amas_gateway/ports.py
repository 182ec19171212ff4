"""What the use cases need from outside. Each Protocol is as small as its callers; every one has a fake in the tests.

Streams are generators, so that whoever stops reading can close them, and with them the call on the other side.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from .domain import model
from .domain.limits import Allowance, Taken
from .domain.model import Principal


class TokenVerifier(Protocol):
    """Turns a bearer token into a principal."""

    async def verify(self, token: str) -> Principal:
        """Raises AmasError UNAUTHENTICATED with a TOKEN_* reason, or UNAVAILABLE when no key is known."""
        ...

    def trusts(self, key_id: str) -> bool:
        """Whether the issuer still publishes the key, as far as is known."""
        ...


class RateLimiter(Protocol):
    """Holds allowances over all gateways."""

    async def take(self, allowances: Sequence[Allowance]) -> Taken:
        """Takes one request from each allowance, or from none."""
        ...


class AccessLog(Protocol):
    """Remembers refused accesses for the audit log. Never waits and never raises: it is a record, not a gate."""

    def denied(self, denial: model.Denial) -> None: ...


class AuditWriter(Protocol):
    """Writes to the audit log and waits for the acknowledgement."""

    async def read_happened(
        self, principal: Principal, what: str, filters: Mapping[str, object], count: int | None = None
    ) -> None:
        """Records that somebody reads the log, and how many entries. Raises when that fails: then nothing is shown."""
        ...


class AuditAuthority(Protocol):
    """The tenant's policy about who may read its audit log, and erase of it."""

    async def authorize_read(self, principal: Principal, run_id: str) -> None:
        """Raises PERMISSION_DENIED with policy's reason, also if it cannot be asked (UNAVAILABLE). Empty: all runs."""
        ...

    async def authorize_subject_search(self, principal: Principal) -> None:
        """Raises as above."""
        ...

    async def authorize_erasure(self, principal: Principal) -> None:
        """Raises as above."""
        ...


class AuditReader(Protocol):
    """Reads the audit log of the principal's tenant."""

    async def query(self, tenant: str, query: model.AuditQuery) -> model.Page[object]: ...

    async def checkpoint(self) -> model.Checkpoint: ...

    async def find_subject(self, tenant: str, subject: str, page: model.PageQuery) -> model.SubjectPage: ...

    async def erase(self, principal: Principal, subject: str, *, dry_run: bool) -> model.Erasure: ...

    def export(self, tenant: str, run_id: str) -> AsyncGenerator[bytes]: ...


class PastBundles(Protocol):
    """Every bundle that a tenant ever had: a run is pinned to the one that it started under."""

    async def content(self, tenant: str, digest: str) -> bytes:
        """The document that the digest is taken of; raises NOT_FOUND if the tenant had no such bundle."""
        ...


class Runs(Protocol):
    """The orchestrator's runs."""

    async def start(
        self, principal: Principal, orchestration: str, input_json: str, idempotency_key: str
    ) -> model.Started: ...

    async def get(self, principal: Principal, run_id: str) -> model.Run: ...

    async def list(
        self, principal: Principal, orchestration: str, state: int, page: model.PageQuery
    ) -> model.Page[model.Run]: ...

    async def cancel(self, principal: Principal, run_id: str, reason: str) -> model.Run: ...

    def watch(self, principal: Principal, run_id: str, after: int) -> AsyncGenerator[model.RunEvent]: ...


class Approvals(Protocol):
    """The orchestrator's approvals."""

    async def get(self, principal: Principal, approval_id: str) -> model.Approval: ...

    async def list(
        self, principal: Principal, run_id: str, state: int, page: model.PageQuery
    ) -> model.Page[model.Approval]: ...

    async def decide(self, principal: Principal, verdict: model.Verdict) -> model.Approval: ...

    async def preview_edit(self, principal: Principal, approval_id: str, arguments_json: str) -> object:
        """What would become of the action with other arguments; changes nothing."""
        ...


class Revocations(Protocol):
    """The orchestrator's revocations."""

    async def revoke(
        self, principal: Principal, what: model.Revocable, reason: str, force: bool
    ) -> model.RevocationAnswer: ...

    async def restore(self, principal: Principal, what: model.Revocable, reason: str) -> model.RevocationAnswer: ...

    async def list(
        self, principal: Principal, lifted_too: bool, page: model.PageQuery
    ) -> model.Page[model.Revocation]: ...


class RevokedPrincipals(Protocol):
    """Whose tokens are refused."""

    def has(self, principal: Principal) -> bool:
        """Whether the principal is revoked, as far as is known here."""
        ...

    async def refuse(self, principal: Principal) -> None:
        """Raises PERMISSION_DENIED (REVOKED); UNAVAILABLE if it was not known for a second who is revoked."""
        ...


class Resources(Protocol):
    """The orchestrator's resources."""

    async def apply(
        self,
        principal: Principal,
        files: Sequence[model.SourceFile],
        delete: Sequence[model.ResourceRef],
        dry_run: bool,
    ) -> model.Applied: ...

    async def list(
        self, principal: Principal, kind: str, name: str, page: model.PageQuery
    ) -> model.Page[model.Resource]: ...

    async def describe_tool_server(self, principal: Principal, server: str) -> object: ...


class Bundles(Protocol):
    """Which bundle a tenant's new work runs under."""

    async def active(self, tenant: str) -> model.ActiveBundle: ...

    def forget(self, tenant: str) -> None:
        """What was active may have changed: the next `active` asks again."""
        ...


class Models(Protocol):
    """The ai-router. Every call may raise FAILED_PRECONDITION with reason BUNDLE_UNKNOWN: see `load_bundle`."""

    async def load_bundle(self, bundle: model.ActiveBundle) -> None: ...

    async def complete(self, principal: Principal, bundle: str, call: model.ModelCall) -> model.Answer: ...

    def stream(
        self, principal: Principal, bundle: str, call: model.ModelCall
    ) -> AsyncGenerator[model.Chunk | model.StreamEnd]: ...

    async def embed(self, principal: Principal, bundle: str, call: model.ModelCall) -> model.Answer: ...

    async def list(self, principal: Principal, bundle: str) -> Sequence[model.ModelName]: ...


class Usage(Protocol):
    """The ai-router's ledger and budgets; the latter may raise BUNDLE_UNKNOWN as `Models` does."""

    async def query(self, tenant: str, query: model.UsageQuery) -> model.Page[object]: ...

    async def budgets(self, principal: Principal, bundle: str, query: model.BudgetQuery) -> model.Page[object]: ...
