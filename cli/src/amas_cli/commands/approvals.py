"""`amas approve` and `amas reject`: answer an escalation after seeing exactly what is asked."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server, Yes

ApprovalId = Annotated[str, typer.Argument(metavar="APPROVAL", help="Id of the approval.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes on the record.")]


@guarded
async def approve(
    approval_id: ApprovalId,
    reason: Reason = "",
    yes: Yes = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Approve one action: exactly the one that is shown, once."""
    return await _decide(approval_id, True, reason, yes, principal, server, output)


@guarded
async def reject(
    approval_id: ApprovalId,
    reason: Reason = "",
    yes: Yes = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Reject an action."""
    return await _decide(approval_id, False, reason, yes, principal, server, output)


async def _decide(
    approval_id: str, approve: bool, reason: str, yes: bool, principal: str, server: str, output: Output
) -> int:
    """Show, ask, send. The digest that is sent is the one that was shown, so a changed action is refused."""
    from amas_cli.output.approval import approval_lines
    from amas_cli.output.documents import document
    from amas_cli.output.prompt import confirm, interactive
    from amas_cli.output.terminal import line, note

    from .session import gateway

    word = "approve" if approve else "reject"
    async with gateway(server, principal) as api:
        approval = await api.approval(approval_id)
        for text in approval_lines(approval, datetime.now(UTC)):
            note(text)
        require_pending(approval)
        if not yes:
            if not interactive():
                raise CliError(f"To {word} needs a yes.", next_step="add --yes", exit_code=ExitCode.USAGE)
            if not await confirm(f"{word.capitalize()} exactly this?"):
                note("nothing was decided")
                return ExitCode.FAILED
        digest = str(approval.get("action_digest", ""))
        decided = await api.decide(approval_id, approve=approve, digest=digest, reason=reason)
    if output is not Output.TABLE:
        document(decided, output)
    else:
        line(f"approval/{approval_id} {decided.get('state', '')}")
    return ExitCode.OK


def require_pending(approval: dict[str, Any]) -> None:
    """Raise CONFLICT for an approval that is decided, expired or cancelled."""
    state = str(approval.get("state", ""))
    if state != "pending":
        raise CliError(
            f"Approval {approval.get('id', '')} is {state} already.",
            next_step="see what waits with `amas get approvals --state pending`",
            exit_code=ExitCode.CONFLICT,
        )
