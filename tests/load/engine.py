"""Durable steps a second of our orchestrator's engine, beside those of plain DBOS on the same Postgres.

Both sides run ten workflows of ten steps at once, each in a process of its own that is new for each measurement, in
turns, round after round. A step of ours is a whole turn of an agent with its events, not a bare checkpoint.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from amas_cli.local.database_setup import ensure_databases, ensure_password
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from amas_orchestrator.adapters.migrate import migrate

from .engine_load import CONCURRENCY, Spent
from .machine import load_row
from .report import Row, half_range, publish, versions

NAME = "engine"
OURS = "ours"
PEER = "plain DBOS"
# The same without the ping that DBOS sends before each use of a connection, which our engine leaves out as well.
TUNED = "plain DBOS, our pool"
SIDES = {OURS: "tests.load.engine_ours", PEER: "tests.load.engine_plain", TUNED: "tests.load.engine_tuned"}
WORKFLOWS, QUICK_WORKFLOWS = 80, 30
ROUNDS, QUICK_ROUNDS = 4, 2
AIM = ">= 0.6"
ROOT = Path(__file__).resolve().parents[2]
# Seconds for one process, its start included.
PROCESS_TIMEOUT_S = 120.0


def measure(*, quick: bool) -> Path:
    """Runs the benchmark; answers the path of its results."""
    load = load_row()
    rounds, workflows = (QUICK_ROUNDS, QUICK_WORKFLOWS) if quick else (ROUNDS, WORKFLOWS)
    found: dict[str, list[Spent]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory(prefix="amas-bench-") as name:
        folder = Path(name)
        ensure_password(folder / "superuser")
        server = EmbeddedPostgres(
            folder / "data", _free_port(), password_file=folder / "superuser", log_file=folder / "log", durable=True
        )
        server.start()
        try:
            dsns = {side: _database(server, folder, f"bench_{number}") for number, side in enumerate(SIDES)}
            for number in range(rounds):
                for side, module in SIDES.items():
                    found[side].append(_one(module, dsns[side], workflows))
                    told = found[side][-1]
                    print(f"engine: round {number + 1}, {side}: {told.steps / told.seconds:.0f}/s", file=sys.stderr)
        finally:
            server.remove()
    return publish(
        NAME,
        versions("dbos", "sqlalchemy", "asyncpg"),
        [load, *_rows(found)],
        "python -m tests.load.bench --only engine",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _database(server: EmbeddedPostgres, folder: Path, name: str) -> str:
    """A database of its own with the orchestrator's schemas; answers the URL of the service's role."""
    made = ensure_databases(server.dsn(), folder / "secrets", database=name, services=["orchestrator"])
    access = asyncio.run(made)["orchestrator"]
    migrate(_with_password(access.owner_url, access.owner_password_file), "dbos")
    return _with_password(access.service_url, access.service_password_file)


def _with_password(url: str, file: Path) -> str:
    user, at, place = url.partition("@")
    return f"{user}:{file.read_text().strip()}{at}{place}"


def _one(module: str, dsn: str, workflows: int) -> Spent:
    """One measurement in a process of its own, which is told the URL where no process list shows it."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps({"dsn": dsn, "workflows": workflows}),
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT_S,
        cwd=ROOT,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-3000:]}")
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def _rows(found: dict[str, list[Spent]]) -> list[Row]:
    """Speeds and CPU of all sides; ratios are taken pair by pair, so that a slow minute is in both."""
    speeds = {side: [spent.steps / spent.seconds for spent in rounds] for side, rounds in found.items()}
    cpu = {side: [1000 * spent.cpu / spent.steps for spent in rounds] for side, rounds in found.items()}
    rows = []
    for peer, aim in ((PEER, AIM), (TUNED, None)):
        rows += [
            _beside(f"durable steps a second, {CONCURRENCY} at once", "1/s", speeds, peer, aim),
            Row(f"spread of that ratio to {peer}", half_range(_ratios(speeds, peer)), "x"),
            _beside("CPU a step", "ms", cpu, peer, None),
        ]
    for peer in (PEER, TUNED):
        rows.append(Row(f"durable steps a second, {peer}", _mean(speeds[peer]), "1/s", spread=half_range(speeds[peer])))
        rows.append(Row(f"CPU a step, {peer}", _mean(cpu[peer]), "ms", spread=half_range(cpu[peer])))
    return rows


def _beside(metric: str, unit: str, values: dict[str, list[float]], peer: str, aim: str | None) -> Row:
    ratio = _mean(_ratios(values, peer))
    return Row(metric, _mean(values[OURS]), unit, peer=peer, ratio=ratio, spread=half_range(values[OURS]), aim=aim)


def _ratios(values: dict[str, list[float]], peer: str) -> list[float]:
    return [own / other for own, other in zip(values[OURS], values[peer], strict=True)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
