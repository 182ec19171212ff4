"""The state of a run at a point of its record: conversations, labels, what was spent, and what people were asked."""

from __future__ import annotations

from typing import Any

from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.bounds import Spent
from amas_orchestrator.usecases.step_job import StepProgress

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .loading import Loaded
from .outcomes import RecordEnds
from .running import Rerunning


async def state_at(loaded: Loaded, until: str) -> dict[str, Any]:
    """The state when a step ends (`publisher`), or before one of its checkpoints (`publisher/1`).

    CliError if the run never came there.
    """
    try:
        rerunning = Rerunning(loaded.recording, loaded.bundle, until=until)
        rerun = await rerunning.run()
    except RecordEnds as end:
        raise CliError(f"The run cannot be run again: {end}.") from end
    watching = rerunning.watching
    if not rerun.reached:
        known = [*watching.seen, *watching.done]
        raise CliError(
            f"The run did not come to {until!r} again.",
            details=(f"it came to: {', '.join(dict.fromkeys(known))}", *map(str, rerun.ends)),
            exit_code=ExitCode.NOT_FOUND,
        )
    waiting = [one for one in rerunning.approvals.opened.values() if one.state is ApprovalState.PENDING]
    return {
        "run": loaded.recording.run,
        "bundle": loaded.bundle.digest,
        "until": until,
        "at": max(progress.at for progress in watching.seen.values()).isoformat(),
        "checkpoints": watching.done,
        "steps": [_step(progress) for progress in watching.seen.values()],
        "waitingApprovals": [_approval(one) for one in waiting],
        "differences": [difference.to_dict() for difference in rerun.differences],
    }


def _step(progress: StepProgress) -> dict[str, Any]:
    job, bounds = progress.job, progress.job.role.spec.bounds
    return {
        "step": job.path,
        "role": job.role.metadata.name,
        "roleVersion": job.role.spec.version,
        "delegatedBy": list(job.delegated_by),
        "turn": progress.turn,
        "at": progress.at.isoformat(),
        "label": progress.label.to_dict(),
        "trustedValues": progress.trusted.to_list(),
        "spent": _spent(progress.spent),
        "bounds": bounds.model_dump(mode="json", by_alias=True),
        "conversation": progress.messages,
    }


def _spent(spent: Spent) -> dict[str, Any]:
    return {
        "steps": spent.steps,
        "modelCalls": spent.model_calls,
        "usage": spent.usage.to_dict(),
        "bytesIn": spent.bytes_in,
        "bytesOut": spent.bytes_out,
        "waitedSeconds": spent.waited.total_seconds(),
        "calls": spent.calls,
        "allowance": spent.allowance,
    }


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "step": approval.step,
        "kind": approval.kind.value,
        "tool": approval.tool,
        "arguments": approval.arguments_json,
        "actionDigest": approval.action_digest,
        "requirement": approval.requirement.to_dict(),
        "requestedAt": approval.requested_at.isoformat(),
        "expiresAt": approval.expires_at.isoformat(),
    }
