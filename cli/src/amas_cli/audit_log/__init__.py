"""Checks a whole log: live over HTTPS, or a folder of its tiles (C2SP tlog-tiles). Shares no code with the service."""

from amas_cli.audit_trail import WitnessKey

from .check import LogCheck, check_log
from .consistency import check_consistency
from .last_seen import LastSeen, LastSeenError
from .mirror import mirror_log
from .report import LogReport
from .sources import ArchivedSource, FolderSource, HttpSource, LogSource, SourceError

__all__ = [
    "ArchivedSource",
    "FolderSource",
    "HttpSource",
    "LastSeen",
    "LastSeenError",
    "LogCheck",
    "LogReport",
    "LogSource",
    "SourceError",
    "WitnessKey",
    "check_consistency",
    "check_log",
    "mirror_log",
]
