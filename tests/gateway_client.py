"""The gateway's REST API as a test uses it: one token a principal, problems as exceptions."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 30.0
# How often an SDK asks again where it was told that it may: a busy machine holds a store up for longer than the half a
# second after which the router says 503 rather than let a call pass its budget.
SDK_RETRIES = 5
ENDED = {"RUN_STATE_SUCCEEDED", "RUN_STATE_FAILED", "RUN_STATE_REJECTED", "RUN_STATE_CANCELLED"}


class ProblemError(AssertionError):
    """An answer of 400 or more, with its problem+json."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        """Keeps the status and the parsed body."""
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    @property
    def reason(self) -> str:
        """The stable code of the problem."""
        return str(self.body.get("reason", ""))


class GatewayClient:
    """Calls under `/v1` as one principal."""

    def __init__(self, api: str, token: str, timeout_s: float = TIMEOUT_S) -> None:
        """Takes the URL that ends in `/v1` and a token; a call may take `timeout_s` seconds."""
        self.api = api
        self.token = token
        self._timeout_s = timeout_s

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Sends a request and answers the JSON body.

        Raises:
            ProblemError: the status was 400 or more.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, data=data, method=method, headers=headers or {})
        request.add_header("Authorization", f"Bearer {self.token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ProblemError(error.code, parsed(error.read())) from error

    def run(self, run: str) -> dict[str, Any]:
        """One run."""
        answer = self.call("GET", f"/runs/{run}")
        return dict(answer.get("run", answer))

    def start(self, orchestration: str, given: dict[str, Any], key: str | None = None) -> str:
        """Starts a run and answers its id."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.call("POST", "/runs", {"orchestration": orchestration, "input": given}, headers)
        return str(answer.get("run", answer)["id"])

    def ended(self, run: str) -> dict[str, Any] | None:
        """The run when it has ended, else nothing."""
        found = self.run(run)
        return found if found["state"] in ENDED else None

    def events(self, run: str) -> list[dict[str, Any]]:
        """All events of a run that has ended."""
        request = urllib.request.Request(f"{self.api}/runs/{run}/events")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
            lines = (line.decode() for line in answer)
            return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]

    def pending_approval(self, run: str) -> dict[str, Any] | None:
        """The first approval that a run waits for."""
        found = self.call("GET", f"/approvals?runId={run}&state=APPROVAL_STATE_PENDING").get("approvals", [])
        return dict(found[0]) if found else None

    def decide(self, approval: dict[str, Any], *, approve: bool, reason: str = "seen") -> Any:
        """Answers an approval with the digest that it shows."""
        verb = "approve" if approve else "reject"
        body = {"reason": reason, "actionDigest": approval["actionDigest"]}
        return self.call("POST", f"/approvals/{approval['id']}:{verb}", body)

    def preview_edit(self, approval: dict[str, Any], arguments: dict[str, Any]) -> Any:
        """What would become of the approval's action with other arguments."""
        body = {"argumentsJson": json.dumps(arguments)}
        return self.call("POST", f"/approvals/{approval['id']}:previewEdit", body)

    def approve_edit(self, approval: dict[str, Any], previewed: dict[str, Any], reason: str = "edited") -> Any:
        """Approves what was previewed, with its digests."""
        edit = previewed["edit"]
        body = {
            "reason": reason,
            "actionDigest": edit["actionDigest"],
            "renderingDigest": edit["renderingDigest"],
            "editedArgumentsJson": edit["argumentsJson"],
        }
        return self.call("POST", f"/approvals/{approval['id']}:approve", body)


def parsed(text: bytes) -> dict[str, Any]:
    """Parses a problem's body; one that is no JSON is shown as it is."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return {"detail": text.decode(errors="replace")}
