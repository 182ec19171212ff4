"""Turns what a command's user named, a file or a run, into a file with the run's record."""

from pathlib import Path

from amas_cli.errors import CliError


def named_file(target: str) -> Path | None:
    """The file that is named; None where the name can only be a run's."""
    file = Path(target)
    return file if file.exists() or "/" in target or file.suffix else None


async def fetched_run(run_id: str, folder: Path, server: str, principal: str) -> Path:
    """The replay bundle of a run, fetched into a folder."""
    from .replay_bundles import save_replay_bundle
    from .session import gateway

    file = folder / "run.amas"
    async with gateway(server, principal) as api:
        await save_replay_bundle(api, run_id, file)
    return file


def must_verify(file: Path, public_key: Path) -> None:
    """CliError for a replay bundle or an export that is not what the log of this key committed to.

    A genuine record of a run that still went on, or of which contents are missing, passes.
    """
    from amas_cli.audit_trail import Verdict
    from amas_cli.audit_trail.replay_bundle import is_replay_bundle

    from .audit import verify_file
    from .replay_bundles import verified

    if is_replay_bundle(file):
        failed = tuple(verified(file, public_key).failed)
    else:
        report = verify_file(file, public_key)
        failed = tuple(str(finding) for finding in report.findings) if report.verdict is Verdict.FAILED else ()
    if failed:
        raise CliError(f"{file} does not verify.", details=failed)
