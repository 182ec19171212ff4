import re
from pathlib import Path

from amas_cli.app import build
from amas_cli.exit_codes import ExitCode
from typer.testing import CliRunner

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_documented_exit_codes_are_the_real_ones() -> None:
    """Scripts depend on them."""
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+)", README, re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == [(int(code), code.name) for code in ExitCode]


def test_every_command_is_documented() -> None:
    """And no other."""
    shown = CliRunner().invoke(build(), ["--help"]).stdout
    commands = set(re.findall(r"^  ([a-z]+) ", shown.partition("Commands:")[2], re.MULTILINE))
    table = README.partition("## Commands")[2].partition("## Exit codes")[0]
    documented = {
        word for row in re.findall(r"^\| (`[^|]+)\|", table, re.MULTILINE) for word in re.findall(r"`([a-z]+)", row)
    }
    assert commands
    assert commands == documented - {"show", "export", "verify", "verifier"}
