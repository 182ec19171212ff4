"""Processes are stopped by number and start time, so that no other program is hit."""

from __future__ import annotations

import json
import os
import sys

import psutil
import pytest
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.layout import Layout
from amas_test_cluster.processes import Processes
from amas_test_cluster.waiting import until

WAITS = [sys.executable, "-c", "import signal; print('waits', flush=True); signal.pause()"]


@pytest.fixture
def processes(layout: Layout):  # type: ignore[no-untyped-def]
    """Processes of a cluster that does not exist, all ended afterwards."""
    made = Processes(layout)
    yield made
    for name in made.names():
        made.stop(name)


def pid_of(layout: Layout, name: str) -> int:
    """The number that was written down."""
    return int(json.loads((layout.processes / f"{name}.json").read_text())["pid"])


def test_a_part_is_started_once_and_stopped(layout: Layout, processes: Processes) -> None:
    """A second start changes nothing; a stop ends it and forgets it."""
    processes.start("part", WAITS)
    pid = pid_of(layout, "part")
    processes.start("part", WAITS)
    assert pid_of(layout, "part") == pid
    assert processes.names() == ["part"]
    processes.stop("part")
    assert not processes.running("part")
    assert processes.names() == []


def test_another_program_under_an_old_number_is_left_alone(layout: Layout, processes: Processes) -> None:
    """A file that names a process of another start time belongs to a program that is gone."""
    layout.processes.mkdir(parents=True)
    record = {"pid": os.getpid(), "started": 1, "argv": WAITS, "environment": {}}
    (layout.processes / "old.json").write_text(json.dumps(record))
    assert not processes.running("old")
    processes.stop("old")
    assert psutil.pid_exists(os.getpid())
    assert processes.names() == []


def test_a_killed_part_is_brought_back_with_its_command(layout: Layout, processes: Processes) -> None:
    """What a fault test kills, `restart` starts again as it was."""
    processes.start("part", WAITS, {"AMAS_TEST": "1"})
    processes.kill("part")
    assert processes.ended(["part"]) == ["part"]
    processes.restart("part")
    assert processes.running("part")
    again = psutil.Process(pid_of(layout, "part"))
    # The kernel shows a program's environment a moment after it has let the one go on who started it.
    until(lambda: again.environ().get("AMAS_TEST") == "1", 20, lambda: f"its environment is {again.environ()}")


def test_an_unknown_part_is_an_error_that_names_the_known(processes: Processes) -> None:
    """The sentence says what could have been meant."""
    processes.start("etcd", WAITS)
    with pytest.raises(ClusterError, match="no part named etc; known: etcd"):
        processes.restart("etc")


def test_a_wait_in_vain_shows_the_log(processes: Processes) -> None:
    """Why a part is not ready is in its own words."""
    processes.start("part", WAITS)
    until(lambda: "waits" in processes.why("part", ""), 20, lambda: "no output")
    assert "it was not ready; part runs" in processes.why("part", "it was not ready")
