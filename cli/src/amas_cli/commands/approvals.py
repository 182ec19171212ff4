"""`amas approve` and `amas reject`: answer an escalation after seeing exactly what is asked."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server, Yes

ApprovalId = Annotated[str, typer.Argument(metavar="APPROVAL", help="Id of the approval.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes on the record.")]
Edit = Annotated[bool, typer.Option("--edit", help="Change the arguments in $EDITOR before approving.")]
ArgumentsFile = Annotated[
    Path | None,
    typer.Option("--arguments", metavar="FILE", help="Approve with the arguments of this JSON file (- reads input)."),
]
EditDigest = Annotated[
    str, typer.Option("--digest", metavar="DIGEST", help="Approve what another approver edited: its action digest.")
]


@guarded
async def approve(
    approval_id: ApprovalId,
    reason: Reason = "",
    edit: Edit = False,
    arguments: ArgumentsFile = None,
    digest: EditDigest = "",
    yes: Yes = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Approve one action: exactly the one that is shown, once."""
    from .edited_arguments import edited_arguments

    if sum((edit, arguments is not None, bool(digest))) > 1:
        raise CliError("Give one of --edit, --arguments and --digest.", exit_code=ExitCode.USAGE)
    from .session import gateway

    async with gateway(server, principal) as api:
        approval = await _shown(api, approval_id, digest)
        body: dict[str, Any] = {}
        if edit or arguments is not None:
            approval, body = await edited_arguments(api, approval, arguments)
        if not await _agreed("approve", yes):
            return ExitCode.FAILED
        decided = await api.decide(approval, approve=True, reason=reason, **body)
    return _tell(decided, output)


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
    from .session import gateway

    async with gateway(server, principal) as api:
        approval = await _shown(api, approval_id, "")
        if not await _agreed("reject", yes):
            return ExitCode.FAILED
        decided = await api.decide(approval, approve=False, reason=reason)
    return _tell(decided, output)


async def _shown(api: Any, approval_id: str, digest: str) -> dict[str, Any]:
    """The pending approval, or one edit of it, shown whole. What is shown is what its digests are about."""
    from amas_cli.output.approval import approval_lines, as_edited
    from amas_cli.output.terminal import note

    approval = dict(await api.approval(approval_id))
    if digest:
        approval = as_edited(approval, _edit_of(approval, digest))
    for text in approval_lines(approval, datetime.now(UTC)):
        note(text)
    require_pending(approval)
    return approval


def _edit_of(approval: dict[str, Any], digest: str) -> dict[str, Any]:
    for edit in approval.get("edits") or []:
        if edit.get("action_digest") == digest:
            return dict(edit)
    raise CliError(
        f"Approval {approval.get('id', '')} asks about no edited action {digest}.",
        next_step=f"see `amas describe approval {approval.get('id', '')}`",
        exit_code=ExitCode.NOT_FOUND,
    )


async def _agreed(word: str, yes: bool) -> bool:
    from amas_cli.output.prompt import confirm, interactive
    from amas_cli.output.terminal import note

    if yes:
        return True
    if not interactive():
        raise CliError(f"To {word} needs a yes.", next_step="add --yes", exit_code=ExitCode.USAGE)
    if await confirm(f"{word.capitalize()} exactly this?"):
        return True
    note("nothing was decided")
    return False


def _tell(decided: dict[str, Any], output: Output) -> int:
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    if output is not Output.TABLE:
        document(decided, output)
    else:
        line(f"approval/{decided.get('id', '')} {decided.get('state', '')}")
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
