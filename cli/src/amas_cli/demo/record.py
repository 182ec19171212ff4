"""What an auditor does with the record of the demo's run: verifies it by a program for outsiders, and runs it again."""

import asyncio
import sys
from pathlib import Path

from amas_cli.commands.replay_bundles import save_replay_bundle
from amas_cli.commands.session import gateway
from amas_cli.errors import CliError
from amas_cli.local.home import Home
from amas_cli.output.printable import printable
from amas_cli.output.replay import replayed
from amas_cli.output.terminal import line
from amas_cli.replay.loading import load
from amas_cli.replay.replaying import replay_run
from amas_cli.verifier import amas_verify

AUDITOR = "auditor"


async def check_record(home: Home, run_id: str) -> None:
    """Export, verify and replay; CliError unless the record verifies and the replay is byte-identical."""
    bundle = home.root / "run.amas"
    async with gateway("", AUDITOR) as api:
        size = await save_replay_bundle(api, run_id, bundle)
    line(f"record   a replay bundle of {size:,} bytes: events with proofs, contracts, policies, approvals")
    line(f"verifier {await _verified(bundle, home.audit_public_key)}")
    line("audit verified", "good")
    result = await replay_run(load(bundle))
    shown = list(replayed(result))
    for text, _ in shown[1:-1]:
        line(f"replay   {text}")
    line(*shown[-1])
    if not result.identical:
        raise CliError("The replay of the run is not what was recorded.")


async def _verified(bundle: Path, key: Path) -> str:
    """What the outsiders' verifier says of the file, in a process of its own that knows nothing of this project."""
    program = [sys.executable, "-I", amas_verify.__file__, str(bundle), "--key", str(key)]
    process = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    first, *others = printable(output.decode("utf-8", "replace"), multiline=True).splitlines() or [""]
    if process.returncode != amas_verify.VERIFIED:
        raise CliError("The audit trail does not verify.", details=(first, *others))
    return first
