"""Replay bundles as the commands make and verify them."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.gateway.api import GatewayApi
from amas_cli.output.documents import Output

from .audit_logs import NO_DEMANDS, Demands

if TYPE_CHECKING:
    from amas_cli.verifier import amas_verify

EXPORT_PART = "export"


async def save_replay_bundle(api: GatewayApi, run_id: str, target: Path) -> int:
    """Write the replay bundle of a run, whole or not at all; answers its size in bytes.

    CliError if the gateway gives another bundle than the one that an event names.
    """
    from amas_governance.canonical import digest_bytes

    from amas_cli.audit_trail import read_entries
    from amas_cli.audit_trail.replay_bundle import write_replay_bundle

    from .audit import save_export

    if not target.parent.is_dir():
        raise CliError(f"There is no folder {target.parent}.", exit_code=ExitCode.USAGE)
    with tempfile.TemporaryDirectory(prefix="amas-replay-") as folder:
        export = Path(folder) / EXPORT_PART
        await save_export(api.audit_export(run_id), export)
        named = (str(entry.members.get("bundle") or "") for entry in read_entries(export))
        bundles = {digest: await api.audit_bundle(digest) for digest in dict.fromkeys(named) if digest}
        for digest, content in bundles.items():
            if digest_bytes(content) != digest:
                raise CliError(f"The gateway answered another bundle than {digest}, which the record names.")
        return write_replay_bundle(export, bundles, target)


def verify_replay_bundle(
    file: Path, public_key: Path, output: Output = Output.TABLE, demands: Demands = NO_DEMANDS
) -> int:
    """Verify a replay bundle with the outsiders' verifier; prints its report and answers an exit code."""
    from amas_cli.output.documents import document
    from amas_cli.output.printable import printable
    from amas_cli.output.terminal import line
    from amas_cli.verifier import amas_verify

    report = verified(file, public_key, demands)
    if output is not Output.TABLE:
        document(report.to_dict(), output)
    else:
        first, *others = report.lines()
        line(printable(first), "good" if report.code == amas_verify.VERIFIED else "bad")
        for text in others:
            line(printable(text))
    return ExitCode.OK if report.code == amas_verify.VERIFIED else ExitCode.FAILED


def verified(file: Path, public_key: Path, demands: Demands = NO_DEMANDS) -> "amas_verify.Report":
    """The report of the outsiders' verifier. CliError for a key that is none."""
    from amas_cli.verifier import amas_verify

    if not public_key.is_file():
        raise CliError(f"There is no file {public_key}.", exit_code=ExitCode.USAGE)
    try:
        keys = amas_verify.keys_in(public_key.read_text(encoding="utf-8"))
    except (amas_verify.Refused, UnicodeDecodeError) as error:
        raise CliError(f"{public_key} holds no verifier key: {error}.", exit_code=ExitCode.USAGE) from error
    with file.open("rb") as opened:
        return amas_verify.verify(opened, keys, _witnesses(demands), demands.quorum)


def _witnesses(demands: Demands) -> "list[amas_verify.Key]":
    """The witnesses' keys, as the outsiders' verifier reads them."""
    from amas_cli.verifier import amas_verify

    return [amas_verify.Key(str(witness), amas_verify.COSIGNATURE) for witness in demands.witness_keys()]
