"""Checks a run's audit export offline. Written apart from the audit service, so that neither vouches for itself."""

from .contents import GivenContent
from .cosignature import WitnessKey
from .errors import ExportRefusedError
from .keyring import KeyRing
from .note import KeyRefusedError, NoteRefusedError, VerifierKey
from .reading import ShownEntry, read_entries, read_whole
from .report import Check, Finding, Report, Verdict
from .saving import new_export
from .verification import verify

__all__ = [
    "Check",
    "ExportRefusedError",
    "Finding",
    "GivenContent",
    "KeyRefusedError",
    "KeyRing",
    "NoteRefusedError",
    "Report",
    "ShownEntry",
    "Verdict",
    "VerifierKey",
    "WitnessKey",
    "new_export",
    "read_entries",
    "read_whole",
    "verify",
]
