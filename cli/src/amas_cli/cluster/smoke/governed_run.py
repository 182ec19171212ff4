"""The test itself: wait for the gateway, apply, run to the end, check the record, take away what was applied.

Each step that passed is told at once, so that the log of a failed test shows how far it came.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amas_governance.pins import tool_list_pin

from amas_cli.commands.resources import applied
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.gateway.api import GatewayApi
from amas_cli.output.quantities import money, tokens
from amas_cli.resource_files import read_resource_files
from amas_cli.verifier import amas_verify

from .manifests import NAME, files, manifests, run_input
from .settings import SmokeSettings

PAUSE_S = 1.0
"""Between two questions to a gateway that is away or not ready."""
Tell = Callable[[str, str], None]
"""Takes a step's name and what was seen."""


class GovernedRun:
    """One test of one installation."""

    def __init__(self, api: GatewayApi, settings: SmokeSettings, tell: Tell) -> None:
        self._api = api
        self._settings = settings
        self._tell = tell

    async def run(self) -> None:
        """CliError at the first thing that is not as it must be; what was applied is taken away in any case."""
        started = time.monotonic()
        await self._wait()
        try:
            orchestration, given, expected = await self._apply()
            run = await self._run(orchestration, given)
            if expected is not None and run.get("output") != expected:
                raise CliError(f"The run answered {json.dumps(run.get('output'))} instead of {json.dumps(expected)}.")
            await self._check_record(str(run["id"]))
        finally:
            if self._settings.own is None:
                await self._clean()
        self._tell("done", f"in {time.monotonic() - started:.1f} s")

    async def _wait(self) -> None:
        """Until the gateway answers. A token that it refuses is told at once."""
        while True:
            try:
                routes = await self._api.resources("ModelRoute")
            except CliError as error:
                if error.exit_code is not ExitCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                self._tell("gateway", f"{self._settings.gateway} answers; {len(routes)} model routes are there")
                return

    async def _apply(self) -> tuple[str, Any, str | None]:
        """The orchestration to run, its input, and what it must answer, if that is known."""
        own, model, tool = self._settings.own, self._settings.model, self._settings.tool
        if own is not None:
            if own.folder is not None:
                answer = await applied(self._api, read_resource_files([str(own.folder)]))
                self._tell("apply", f"{len(answer.get('changes', []))} resources, {_bundle(answer)}")
            return own.orchestration, own.given, None
        assert model is not None, "settings have a model or resources of the user's own"  # noqa: S101
        answer = await applied(self._api, files(manifests(model, tool)))
        if tool is not None:
            offer = (await self._api.tool_server(NAME)).get("offer") or []
            pin = tool_list_pin(offer)
            answer = await applied(self._api, files(manifests(model, tool, {"pin": pin, "accepted": offer})))
            self._tell("tools", f"{tool.url} offers {len(offer)} tools, {pin}")
        self._tell("apply", _bundle(answer))
        word = f"amas-{secrets.token_hex(8)}"
        return NAME, run_input(word, tool), word

    async def _run(self, orchestration: str, given: Any) -> dict[str, Any]:
        """The run as it ended; CliError unless it succeeded."""
        started = await self._api.start_run(orchestration, given, f"installation-test-{secrets.token_hex(16)}")
        run_id = str(started["id"])
        try:
            async for event in self._api.watch(run_id):
                if event.get("approval_requested"):
                    await self._api.cancel_run(run_id, "the test of an installation answers no approvals")
                    raise CliError(
                        f"The run {run_id} asks for an approval, which a test cannot give.",
                        next_step="let the test run an orchestration that needs none",
                    )
        except asyncio.CancelledError:
            # The test's time is over; the run would go on trying.
            self._tell("run", f"{run_id} has not ended in time: `amas audit show {run_id}` has what it did")
            await self._api.cancel_run(run_id, "the test of an installation has no more time")
            raise
        run = await self._api.run(run_id)
        if run.get("state") != "succeeded":
            raise CliError(
                f"The run {run_id} ended as {run.get('state')}.", details=(json.dumps(run.get("reason") or {}),)
            )
        usage = run.get("usage") or {}
        cost = money(usage.get("cost")) or "nothing"
        self._tell("run", f"{run_id} succeeded for {tokens(usage)} tokens and {cost}; trace {run.get('trace_id', '')}")
        return run

    async def _check_record(self, run_id: str) -> None:
        """The outsiders' verifier says that the log holds this record, unchanged; and what must be in it is there."""
        with tempfile.TemporaryDirectory() as folder:
            export, key = Path(folder) / "run.export", self._settings.audit_key_file
            with export.open("wb") as target:
                async for piece in self._api.audit_export(run_id):
                    target.write(piece)
            if key is None:
                # The log's own word for its key: proves that the record is whole, not whose log it is.
                key = Path(folder) / "key"
                key.write_text((await self._api.audit_checkpoint())["verifier_key"])
            said = await _verified(export, key)
        events = await self._api.audit_events(runId=run_id)
        kinds = {str((entry.get("event") or {}).get("type", "")) for entry in events}
        self._tell("record", f"{len(events)} events; {said}")
        wanted = {"dev.amas.run.started", "dev.amas.model.called", "dev.amas.run.ended"}
        if self._settings.tool is not None:
            wanted |= {"dev.amas.action.intent", "dev.amas.action.outcome"}
        if missing := sorted(wanted - kinds):
            raise CliError(f"The record of run {run_id} has no {', '.join(missing)}.")

    async def _clean(self) -> None:
        model, tool = self._settings.model, self._settings.tool
        assert model is not None, "settings have a model or resources of the user's own"  # noqa: S101
        await self._api.apply([], [(resource["kind"], NAME) for resource in manifests(model, tool)])
        self._tell("clean", "what was applied is taken away")


def _bundle(answer: dict[str, Any]) -> str:
    return f"bundle {(answer.get('bundle') or {}).get('digest', '')}"


async def _verified(export: Path, key: Path) -> str:
    """What the verifier says, in a process of its own that knows nothing of this project."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", amas_verify.__file__, str(export), "--key", str(key)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    first, *others = output.decode("utf-8", "replace").splitlines() or [""]
    if process.returncode != amas_verify.VERIFIED:
        raise CliError("The record of the run does not verify.", details=(first, *others))
    return first
