"""Postgres's programs are copied for a server that does not reach ours, and nobody slips others in."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_cli.local import embedded_postgres
from amas_cli.local.embedded_server import EmbeddedServerError
from amas_cli.local.server_identity import ServerIdentity


def test_what_somebody_puts_there_during_the_copy_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy's name can be guessed, and making it takes a second: we run some of its programs ourselves."""
    theirs = tmp_path / "theirs"

    def overtaken(inside: Path, copy: Path) -> None:
        (theirs / embedded_postgres.PACKAGE / "pginstall" / "bin").mkdir(parents=True)
        copy.symlink_to(theirs)
        made(inside, copy)

    made = embedded_postgres.copy_installation
    monkeypatch.setattr(embedded_postgres, "copy_installation", overtaken)
    monkeypatch.setattr(embedded_postgres, "REACHABLE_PARENT", tmp_path)
    monkeypatch.setattr(ServerIdentity, "reaches", lambda *_: False)
    with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
        embedded_postgres.installation()
