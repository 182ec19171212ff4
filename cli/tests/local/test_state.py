from pathlib import Path

import pytest
from amas_cli.local.home import Home
from amas_cli.local.state import PlatformState, ProcessState, load_state


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_what_was_saved_is_loaded(home: Home) -> None:
    """The next command sees what the supervisor saw."""
    state = PlatformState(supervisor_pid=7, public_ports={"http": 7080}, model="m")
    state.processes["audit"] = ProcessState(pid=8, state="ready", restarts=2, ready_url="http://127.0.0.1:1/readyz")
    state.save(home)
    assert load_state(home) == state
    assert home.state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"processes": 3}', '{"processes": {}, "of_a_newer_version": 1}'])
def test_a_state_that_cannot_be_read_is_no_state(home: Home, content: str) -> None:
    """A half-written or foreign file does not break any command."""
    home.state.write_text(content)
    assert load_state(home) is None
