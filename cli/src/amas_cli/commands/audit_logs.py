"""`amas audit verify --log`, `consistency` and `mirror`: the whole log, live or as a folder of tiles."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output
from amas_cli.output.printable import printable

from .guard import guarded
from .options import OutputFormat

if TYPE_CHECKING:
    import ssl

    from amas_cli.audit_log import LogReport, LogSource, SourceError, WitnessKey
    from amas_cli.audit_trail import KeyRing

PROGRESS_SECONDS = 1.0

PublicKey = Annotated[
    Path | None,
    typer.Option("--public-key", metavar="FILE", help="The verifier keys (default: the local platform's)."),
]
Log = Annotated[str, typer.Option("--log", metavar="URL|FOLDER", help="Where the log is.")]
Authority = Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="Authority of the log's certificate.")]
Certificate = Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="Your client certificate (PEM).")]
Archive = Annotated[
    Path | None, typer.Option("--archive", metavar="FOLDER", help="Archive of what the log has dropped.")
]
CertificateKey = Annotated[Path | None, typer.Option("--cert-key", metavar="FILE", help="Its private key (PEM).")]


@dataclass(frozen=True)
class Place:
    """Where a log is, and how to come to it."""

    log: str
    authority: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
    archive: Path | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator["LogSource"]:
        """The log. A log that cannot be read is a CliError."""
        from amas_cli.audit_log import ArchivedSource, FolderSource, HttpSource, SourceError

        try:
            if "://" in self.log:
                source: LogSource = HttpSource(self.log, self._context())
            elif Path(self.log).is_dir():
                source = FolderSource(Path(self.log))
            else:
                raise CliError(f"There is no folder {self.log}.", exit_code=ExitCode.USAGE)
            if self.archive is not None:
                if not self.archive.is_dir():
                    raise CliError(f"There is no folder {self.archive}.", exit_code=ExitCode.USAGE)
                source = ArchivedSource(source, FolderSource(self.archive))
            with contextlib.closing(source):
                yield source
        except SourceError as error:
            raise CliError(
                f"The log cannot be read: {error}.",
                next_step=_next_step(error),
                exit_code=ExitCode.NOT_ALLOWED if error.refused else ExitCode.UNAVAILABLE,
            ) from error

    def _context(self) -> "ssl.SSLContext | None":
        import ssl

        if not self.log.startswith("https://"):
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.authority) if self.authority else None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.certificate_key)
        except OSError as error:
            raise CliError(
                f"--ca, --cert or --cert-key cannot be used: {error.strerror or error}.", exit_code=ExitCode.USAGE
            ) from error
        return context


def _next_step(error: "SourceError") -> str:
    if error.archived:
        return "name the archive's folder with --archive, or look at the log's hashes with --tree-only"
    if error.refused:
        return "come with --cert and --cert-key of an auditor, or look at its hashes with --tree-only"
    return ""


@dataclass(frozen=True)
class Demands:
    """What a log must show beside being whole."""

    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    last_seen: Path | None = None
    tree_only: bool = False

    def witness_keys(self) -> "tuple[WitnessKey, ...]":
        """The witnesses' keys. CliError for one that is none, and for a quorum of more than there are."""
        found = tuple(_witness(text) for text in self.witnesses)
        if self.quorum > len({witness.public_key for witness in found}):
            raise CliError("--quorum asks for more witnesses than --witness names.", exit_code=ExitCode.USAGE)
        return found


NO_DEMANDS = Demands()


def verify_log(place: Place, public_key: Path, demands: Demands, output: Output) -> int:
    """Check a log and print the outcome; keeps its checkpoint if all is well."""
    from amas_cli.audit_log import LastSeen, LastSeenError, LogCheck, check_log

    keys = key_ring(public_key)
    kept = {}
    if demands.last_seen or "://" in place.log:
        files = seen_files(keys)
        kept = {key_id: LastSeen(demands.last_seen or file) for key_id, file in files.items()}
    try:
        found = [checkpoint for one in set(kept.values()) if (checkpoint := one.read(keys))]
        seen = max(found, key=lambda opened: opened.checkpoint.size, default=None)
    except LastSeenError as error:
        raise CliError(f"{error}.", exit_code=ExitCode.USAGE) from error
    asked = LogCheck(keys, demands.witness_keys(), demands.quorum, seen, demands.tree_only)
    with place.opened() as source:
        report = check_log(source, asked, progress("entries"))
    if report.verified and kept:
        for one in {kept[key_id] for key_id in report.signed_by}:
            one.keep(report.checkpoint)
    return print_report(report, output)


@guarded
def consistency(
    older: Annotated[Path, typer.Argument(metavar="A", help="A checkpoint.")],
    newer: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    log: Log = "",
    public_key: PublicKey = None,
    ca: Authority = None,
    cert: Certificate = None,
    cert_key: CertificateKey = None,
    output: OutputFormat = Output.TABLE,
) -> int:
    """Check that two checkpoints are of one history. Two of different sizes need the log's tiles (--log)."""
    from amas_cli.audit_log import check_consistency

    notes = [_text(file) for file in (older, newer)]
    keys = key_ring(public_key or default_public_key())
    try:
        if not log:
            return print_report(check_consistency(None, keys, *notes), output)
        with Place(log, ca, cert, cert_key).opened() as source:
            return print_report(check_consistency(source, keys, *notes), output)
    except ValueError as error:
        raise CliError(f"{str(error).capitalize()}.", next_step="add --log", exit_code=ExitCode.USAGE) from error


@guarded
def mirror(
    folder: Annotated[Path, typer.Argument(help="Where to copy it to; made if it is not there.")],
    log: Log,
    public_key: PublicKey = None,
    ca: Authority = None,
    cert: Certificate = None,
    cert_key: CertificateKey = None,
    archive: Archive = None,
) -> int:
    """Copy a log to a folder of tiles; again to bring it up to date. `amas audit verify FOLDER` checks it."""
    from amas_cli.audit_log import mirror_log
    from amas_cli.audit_trail import NoteRefusedError
    from amas_cli.output.terminal import line

    keys = key_ring(public_key or default_public_key())
    with Place(log, ca, cert, cert_key, archive).opened() as source:
        try:
            size = mirror_log(source, folder, keys, progress("parts"))
        except NoteRefusedError as error:
            raise CliError(f"The log is not the one of these keys: {error}.") from error
    line(f"{folder} holds the log of {size} entries")
    line(f"next: `amas audit verify {folder}`")
    return ExitCode.OK


def key_ring(file: Path) -> "KeyRing":
    """The keys in a file. CliError if there are none."""
    from amas_cli.audit_trail import KeyRefusedError, KeyRing

    try:
        return KeyRing.parse(_text(file))
    except KeyRefusedError as error:
        raise CliError(f"{file} holds no verifier key: {error}.", exit_code=ExitCode.USAGE) from error


def default_public_key() -> Path:
    """The local platform's."""
    from amas_cli.local.home import Home

    return Home.from_environment().audit_public_key


def seen_files(keys: "KeyRing") -> dict[str, Path]:
    """Where the checkpoint of a live log that was verified last is kept, for each of its keys by the key's id.

    By key and not by name, since logs of several platforms may have one name. A new key signs beside the one before it
    for a while, so that nothing is forgotten (XDG base directories: state).
    """
    import hashlib
    import os

    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    names = {known.key.key_id.hex(): hashlib.sha256(str(known.key).encode()).hexdigest()[:16] for known in keys.keys}
    return {key_id: state / "amas" / "audit-seen" / name for key_id, name in names.items()}


def progress(what: str) -> Callable[[int, int], None]:
    """Says on a terminal how far it is, once a second."""
    shown = time.monotonic()
    terminal = sys.stderr.isatty()

    def tell(done: int, everything: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if terminal and now - shown >= PROGRESS_SECONDS:
            shown = now
            print(f"{done} of {everything} {what}", file=sys.stderr, flush=True)

    return tell


def print_report(report: "LogReport", output: Output) -> int:
    """Print the outcome; answers the exit code."""
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    if output is not Output.TABLE:
        document(report.to_dict(), output)
    else:
        line(printable(report.summary()), "good" if report.verified else "bad")
        for finding in report.findings[1:]:
            line(f"  {printable(str(finding))}")
    return ExitCode.OK if report.verified else ExitCode.FAILED


def _witness(text: str) -> "WitnessKey":
    """A witness's key, given as it is or as a file that holds it."""
    from amas_cli.audit_log import WitnessKey
    from amas_cli.audit_trail import KeyRefusedError

    try:
        return WitnessKey.parse(text if "+" in text and not Path(text).is_file() else _text(Path(text)))
    except KeyRefusedError as error:
        raise CliError(f"--witness {text}: {error}.", exit_code=ExitCode.USAGE) from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise CliError(f"There is no file {file}.", exit_code=ExitCode.USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{file} is no text.", exit_code=ExitCode.USAGE) from error
