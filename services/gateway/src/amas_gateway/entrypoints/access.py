"""Who calls and what they may do, asked the same way by REST, the OpenAI API and gRPC.

Every handler gets its principal from `Access.admit` and from nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from amas_chassis import telemetry
from amas_chassis.errors import AmasError, ErrorKind

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.limits import Taken
from amas_gateway.domain.model import Principal
from amas_gateway.usecases.admit_request import AdmitRequest, RateExceededError
from amas_gateway.usecases.authenticate import Authenticate


@dataclass(slots=True)
class Caller:
    """One request's caller, filled in as far as the request has come."""

    request_id: str = ""
    principal: Principal | None = None
    action: Action | None = None
    # What is left of the limits, for the response's headers.
    taken: Taken | None = None


class Access:
    """Authenticates and admits callers."""

    def __init__(self, authenticate: Authenticate, admit: AdmitRequest) -> None:
        self._authenticate = authenticate
        self._admit = admit

    async def identify(self, caller: Caller, authorization: str | None) -> None:
        """Sets the caller's principal. Raises UNAUTHENTICATED."""
        caller.principal = await self._authenticate(authorization, telemetry.current_trace_id())

    async def admit(self, caller: Caller, action: Action) -> Principal:
        """The principal, if it may do the action now. Raises PERMISSION_DENIED or RateExceededError."""
        if caller.principal is None:
            raise AmasError(ErrorKind.INTERNAL, "INTERNAL", "The caller was not identified.")
        caller.action = action
        try:
            caller.taken = await self._admit(caller.principal, action, telemetry.current_trace_id())
        except RateExceededError as error:
            caller.taken = error.taken
            raise
        except AmasError:
            # On the record by now, as what the admission refused.
            caller.action = None
            raise
        return caller.principal

    def refused(self, caller: Caller, error: AmasError) -> None:
        """Records a refusal that came after the admission: by ownership, or by a service on the right."""
        if error.kind is not ErrorKind.PERMISSION_DENIED:
            return
        if caller.principal is not None and caller.action is not None:
            self._admit.denied(caller.principal, caller.action, error.reason, telemetry.current_trace_id())
