"""The demo's main job: apply, run, approve, show, verify, replay. All goes through the same API as the commands."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from amas_cli.commands.approvals import require_pending
from amas_cli.commands.resources import applied
from amas_cli.commands.session import gateway
from amas_cli.contexts import resolve_server
from amas_cli.errors import CliError
from amas_cli.gateway.api import GatewayApi
from amas_cli.local.home import Home
from amas_cli.local.platform_plan import repository_root
from amas_cli.output.approval import approval_lines
from amas_cli.output.changes import change_line
from amas_cli.output.follow import FollowView
from amas_cli.output.printable import printable
from amas_cli.output.quantities import money, out_of, tokens
from amas_cli.output.terminal import line
from amas_cli.resource_files import read_resource_files

from .answer import Answer
from .record import check_record
from .repository import FOLDER, WorkingCopy

ORCHESTRATION = "release-notes"
REQUESTER, APPROVER = "developer", "release-manager"
RUN_TIMEOUT_S = 45 * 60
"""Longer than the approval's expiry, after which the run ends by itself."""


@dataclass(frozen=True)
class Demo:
    """What the job needs to know."""

    home: Home
    copy: WorkingCopy
    answer: Answer

    async def play(self) -> None:
        """The whole job; raises CliError when something is not as it must be."""
        async with asyncio.timeout(RUN_TIMEOUT_S), gateway("", REQUESTER) as api:
            server = resolve_server("")
            line(f"\nlogged in as {REQUESTER} at {server}", "strong")
            await self._apply(api)
            run = await self._run(api)
            budgets = await api.budgets("")
        self._show(run, budgets)
        await check_record(self.home, str(run["id"]))
        self._check(str(run["state"]))

    async def _apply(self, api: GatewayApi) -> None:
        folders = [repository_root() / "policies" / "contracts" / ORCHESTRATION, self.home.resources]
        answer = await applied(api, read_resource_files([str(folder) for folder in folders]))
        for change in answer.get("changes", []):
            line(f"  {change_line(change)}")

    async def _run(self, api: GatewayApi) -> dict[str, Any]:
        """Start and follow the run; answers it as it ended."""
        started = await api.start_run(ORCHESTRATION, {"repository": FOLDER}, "")
        run_id = str(started["id"])
        line(f"\nrun {run_id}  {ORCHESTRATION} {started.get('orchestration_version', '')}", "strong")
        view = FollowView()
        async for event in api.watch(run_id):
            for shown in view.lines(event):
                line(shown.text, shown.style)
            requested = event.get("approval_requested")
            if requested:
                await self._decide(str(requested["approval_id"]))
        return await api.run(run_id)

    async def _decide(self, approval_id: str) -> None:
        """Show the exact action and send the answer, as another principal than the requester."""
        async with gateway("", APPROVER) as api:
            approval = await api.approval(approval_id)
            line()
            for text in approval_lines(approval, datetime.now(UTC)):
                line(text)
            require_pending(approval)
            approves = await self.answer.approves()
            reason = "" if approves else "answered no in the demo"
            await api.decide(approval, approve=approves, reason=reason)
            line(f"  {APPROVER} says {'yes' if approves else 'no'}\n", "good" if approves else "bad")

    def _show(self, run: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
        """The notes, what they cost, what that is of the budgets, and the trace."""
        notes = self.copy.path / "RELEASE_NOTES.md"
        output = run.get("output")
        if run["state"] in {"succeeded", "rejected"}:
            text = output if isinstance(output, str) else notes.read_text() if notes.is_file() else ""
            line("\nthe notes", "strong")
            line(printable(text, multiline=True))
        usage = run.get("usage") or {}
        line(f"run      {run['id']} {run['state']}")
        line(f"cost     {money(usage.get('cost')) or '$0'} for {tokens(usage)} tokens (in+out)")
        for budget in budgets:
            used = out_of(money(budget.get("cost_used")), money(budget.get("cost_limit")))
            line(f"budget   {budget['name']}: {used or '$0'} of this {budget['window']}")
        line(f"trace    {run.get('trace_id', '')}")

    def _check(self, state: str) -> None:
        """The repository must be as the outcome says."""
        commits = self.copy.new_commits()
        if state == "succeeded":
            what = "one commit was made in the working copy" if commits == 1 else "the notes had not changed: no commit"
            if commits > 1:
                raise CliError(f"The run made {commits} commits instead of one.")
            line(what)
        elif state == "rejected":
            if commits:
                raise CliError("The action was rejected, and yet something was committed.")
            line("rejected: nothing was committed")
        else:
            raise CliError(f"The run ended as {state}.", next_step="read the reasons above")
