"""A platform whose database is gone says so: a log of audit that begins anew without a word would be a lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from amas_cli.local.environment import Wiring
from amas_cli.local.home import Home
from amas_cli.local.platform_plan import PlatformPlan
from amas_cli.local.ports import INTERNAL, PUBLIC
from amas_cli.local.processes import PartFailedError, ProcessSpec


@pytest.mark.parametrize(("stamped", "data"), [(False, False), (True, True), (True, False)])
async def test_a_database_that_was_migrated_is_not_begun_anew(
    stamped: bool, data: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start makes it, a later one finds it, and where it was and is not nothing is made in its place."""
    home = Home(tmp_path / "home")
    home.create()
    if stamped:
        (home.root / "stamps").mkdir()
        (home.root / "stamps" / "audit").write_text("of code that may be the same")
    prepared, started = [], []
    monkeypatch.setattr(EmbeddedPostgres, "is_new", not data)
    monkeypatch.setattr(EmbeddedPostgres, "prepare", lambda server: prepared.append(server))
    monkeypatch.setattr("amas_cli.local.platform_plan.postgres_spec", lambda *_: "postgres")

    async def run_part(spec: ProcessSpec) -> None:
        started.append(spec)

    ports = {name: 40_000 + number for number, name in enumerate((*PUBLIC, *INTERNAL))}
    plan = PlatformPlan(Wiring(home, ports, {}, home.workspace, Path("/policies")), run_part)
    (postgres,) = [step for step in plan.steps() if step.name == "postgres"]
    if stamped and not data:
        with pytest.raises(PartFailedError, match=r"data is gone.*amas down --delete"):
            await postgres.act()
        assert (prepared, started) == ([], [])
    else:
        await postgres.act()
        assert (len(prepared), started) == (1, ["postgres"])
