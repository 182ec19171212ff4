"""Verifies an export offline: from the file and the public key alone, nothing else is asked or believed.

It must never raise for what a file holds: whatever is wrong becomes a finding, in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .contents import lost, problems_of
from .cosignature import WitnessKey, cosigners
from .document import Entry, Footer, Header, parse_line, read_lines
from .errors import ExportRefusedError
from .keyring import KeyRing
from .leaves import AFTER_THE_END, RUN_ENDED, RUN_STARTED, LeafRefusedError, parse_leaf
from .merkle import leaf_hash, proven_root
from .note import Checkpoint, KeyRefusedError, NoteRefusedError
from .report import MAX_FINDINGS, Check, Finding, Report, Verdict


def verify(export: Path, public_key: str, witnesses: Sequence[WitnessKey] = (), quorum: int = 0) -> Report:
    """Check the export of a run against the log's verifier keys (`name+id+key`, one a line; `KeyRing.parse`).

    `quorum` of the witnesses must have cosigned its checkpoint. KeyRefusedError if `public_key` holds none; everything
    else is in the report.
    """
    verification = _Verification(KeyRing.parse(public_key), witnesses, quorum)
    try:
        with export.open("rb") as file:
            for record in _records(file):
                verification.take(record)
    except ExportRefusedError as error:
        verification.find(Check.FORMAT, str(error), error.line)
    except OSError as error:
        verification.find(Check.FORMAT, f"the export cannot be read: {error.strerror}")
    return verification.report()


def _records(file: Any) -> Iterator[Header | Entry | Footer]:
    for number, raw in read_lines(file):
        yield parse_line(number, raw)


class _Verification:
    """The state of one pass over a file."""

    def __init__(self, keys: KeyRing, witnesses: Sequence[WitnessKey], quorum: int) -> None:
        self._keys = keys
        self._witnesses, self._quorum = witnesses, quorum
        self._header: Header | None = None
        self._checkpoint: Checkpoint | None = None
        self._footer: Footer | None = None
        self._findings: list[Finding] = []
        self._more = 0
        self._entries = 0
        self._last_index = -1
        self._last_sequence = 0
        self._first_type = ""
        self._last_type = ""
        self._ended = False
        self._contents = 0
        self._erased = 0
        self._lost = 0

    def find(self, check: Check, message: str, line: int | None = None) -> None:
        """Note something that is wrong."""
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(Finding(check, message, line))
        else:
            self._more += 1

    def take(self, record: Header | Entry | Footer) -> None:
        """Check the next line."""
        if isinstance(record, Header):
            if self._header is not None:
                raise ExportRefusedError(record.line, "there is a second header")
            self._take_header(record)
            return
        if self._header is None:
            raise ExportRefusedError(record.line, "the file does not begin with a header")
        if self._footer is not None:
            raise ExportRefusedError(record.line, "something follows the footer")
        if isinstance(record, Footer):
            self._take_footer(record)
        else:
            self._take_entry(record)

    def report(self) -> Report:
        """The outcome, once all lines are taken."""
        if self._footer is None and Check.FORMAT not in {finding.check for finding in self._findings}:
            self.find(Check.COUNT, "the file ends before its footer: it was cut")
        elif not self._entries:
            self.find(Check.COUNT, "the export has no entries")
        failed = bool(self._findings)
        if not failed:
            self._check_completeness()
        verdict = Verdict.FAILED if failed else Verdict.INCOMPLETE if self._findings else Verdict.VERIFIED
        header, checkpoint = self._header, self._checkpoint
        return Report(
            verdict=verdict,
            origin=header.origin if header else "",
            tenant=header.tenant if header else "",
            run=header.run if header else "",
            tree_size=checkpoint.size if checkpoint else 0,
            root=checkpoint.root.hex() if checkpoint else "",
            entries=self._entries,
            contents=self._contents,
            erased=self._erased,
            findings=tuple(self._findings),
            more_findings=self._more,
        )

    def _take_header(self, header: Header) -> None:
        self._header = header
        if not self._names_our_key(header):
            self.find(Check.SIGNATURE, "the export names another public key than the one given", header.line)
        try:
            self._checkpoint = self._keys.open(header.checkpoint).checkpoint
            cosigned = len(cosigners(header.checkpoint, self._witnesses))
        except NoteRefusedError as error:
            self.find(Check.SIGNATURE, str(error), header.line)
            return
        if cosigned < self._quorum:
            words = f"{cosigned} witnesses cosigned its checkpoint where {self._quorum} must have"
            self.find(Check.SIGNATURE, words, header.line)
        if not header.origin == self._checkpoint.origin == self._keys.origin:
            self.find(
                Check.ORIGIN,
                f"the export is of log {header.origin!r}, its checkpoint of {self._checkpoint.origin!r} "
                f"and the key of {self._keys.origin!r}",
                header.line,
            )

    def _names_our_key(self, header: Header) -> bool:
        """Whether the key that the export names is ours, or one that signed beside ours while keys were changed."""
        if self._keys.holds(header.verifier_key):
            return True
        try:
            self._keys.open(header.checkpoint)
            KeyRing.parse(header.verifier_key).open(header.checkpoint)
        except (KeyRefusedError, NoteRefusedError):
            return False
        return True

    def _take_entry(self, entry: Entry) -> None:
        self._entries += 1
        self._check_inclusion(entry)
        try:
            leaf = parse_leaf(entry.leaf)
        except LeafRefusedError as error:
            self.find(Check.LEAF, str(error), entry.line)
            return
        self._check_scope(entry, leaf)
        self._check_sequence(entry, leaf)
        self._check_contents(entry, leaf)
        self._first_type = self._first_type or leaf["type"]
        self._ended = self._ended or leaf["type"] == RUN_ENDED
        if leaf["type"] not in AFTER_THE_END or not self._ended:
            self._last_type = leaf["type"]

    def _check_inclusion(self, entry: Entry) -> None:
        if self._checkpoint is None:
            return
        try:
            root = proven_root(leaf_hash(entry.leaf.encode()), entry.index, self._checkpoint.size, entry.proof)
        except ValueError as error:
            self.find(Check.INCLUSION, f"entry {entry.index} is not proven: {error}", entry.line)
            return
        if root != self._checkpoint.root:
            self.find(
                Check.INCLUSION,
                f"entry {entry.index} is not in the signed tree: its content, its index or its proof was changed",
                entry.line,
            )

    def _check_scope(self, entry: Entry, leaf: dict[str, Any]) -> None:
        if self._header and (leaf["tenant"], leaf["runid"]) != (self._header.tenant, self._header.run):
            self.find(
                Check.SCOPE,
                f"entry {entry.index} is of another tenant or run than the export says it is of",
                entry.line,
            )

    def _check_sequence(self, entry: Entry, leaf: dict[str, Any]) -> None:
        sequence, expected = leaf["runsequence"], self._last_sequence + 1
        if sequence != expected or entry.index <= self._last_index:
            self.find(
                Check.SEQUENCE,
                f"event {sequence} of the run stands where event {expected} belongs: "
                "an entry was dropped, doubled, moved or added",
                entry.line,
            )
        self._last_sequence, self._last_index = sequence, entry.index

    def _check_contents(self, entry: Entry, leaf: dict[str, Any]) -> None:
        for problem in problems_of(leaf, entry.contents):
            self.find(Check.CONTENT, f"entry {entry.index}: {problem}", entry.line)
        self._contents += len(entry.contents)
        self._erased += sum(bool(given.erased_by) for given in entry.contents)
        self._lost += len(lost(entry.contents))

    def _take_footer(self, footer: Footer) -> None:
        self._footer = footer
        if footer.entries != self._entries:
            self.find(
                Check.COUNT, f"the footer counts {footer.entries} entries where there are {self._entries}", footer.line
            )
        if self._checkpoint and footer.tree_size != self._checkpoint.size:
            self.find(Check.COUNT, "the footer names another tree size than the signed checkpoint", footer.line)

    def _check_completeness(self) -> None:
        if self._lost:
            self.find(
                Check.COMPLETENESS, f"{self._lost} contents are not given, and no event is named that erased them"
            )
        if self._first_type != RUN_STARTED:
            self.find(Check.COMPLETENESS, "the first event is not the start of the run")
        if not self._ended:
            self.find(Check.COMPLETENESS, "the end of the run is not there: it still went on, or the end was cut")
        elif self._last_type != RUN_ENDED:
            self.find(Check.COMPLETENESS, f"the run has an end, but is not at rest: {self._last_type} came after it")
