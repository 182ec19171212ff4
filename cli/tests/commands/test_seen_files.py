"""Where the checkpoint is kept that a live log showed last."""

from __future__ import annotations

from amas_cli.audit_trail import KeyRing
from amas_cli.commands.audit_logs import seen_files

from tests.tlogs import LogKey


def test_logs_of_one_name_are_told_apart_by_their_keys() -> None:
    """What one platform showed says nothing about another on the same machine. A ring finds each of its keys' files."""
    one, other = (seen_files(KeyRing.parse(LogKey(seed).verifier)) for seed in (1, 2))
    assert not set(one.values()) & set(other.values())
    assert seen_files(KeyRing.parse(f"{LogKey(1).verifier}\n{LogKey(2).verifier}")) == one | other
