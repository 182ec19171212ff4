from pathlib import Path

import pytest
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.resource_files import read_resource_files
from amas_cli.run_input import read_input


def test_a_folder_is_read_with_all_below_it(tmp_path: Path) -> None:
    """YAML and JSON, sorted, each once; hidden and other files are not resources."""
    for name in ("b.yml", "a.yaml", "deep/c.json", "notes.md", ".hidden.yaml", ".git/config.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = read_resource_files([str(tmp_path), str(tmp_path / "a.yaml")])
    assert [content for _, content in found] == ["a.yaml", "b.yml", "deep/c.json"]


@pytest.mark.parametrize("names", [["absent.yaml"], ["empty"]])
def test_nothing_to_apply_is_bad_usage(tmp_path: Path, names: list[str]) -> None:
    """An empty apply is a mistake, not a success."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(CliError) as refused:
        read_resource_files([str(tmp_path / name) for name in names])
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_binary_file_is_named(tmp_path: Path) -> None:
    """Which of the files it was."""
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(CliError, match=r"x\.yaml"):
        read_resource_files([str(tmp_path)])


def test_an_input_is_made_of_pairs_and_a_file(tmp_path: Path) -> None:
    """A pair overrides the file; `:=` gives a value that is no text."""
    (tmp_path / "in.json").write_text('{"repository": "a", "since": "b"}')
    given = read_input(["since=2 weeks ago", "count:=3", "text=a=b"], str(tmp_path / "in.json"))
    assert given == {"repository": "a", "since": "2 weeks ago", "count": 3, "text": "a=b"}


@pytest.mark.parametrize("pair", ["novalue", "=x", "count:=nonsense"])
def test_a_malformed_pair_is_bad_usage(pair: str) -> None:
    """Nothing is started on a guess."""
    with pytest.raises(CliError) as refused:
        read_input([pair], "")
    assert refused.value.exit_code is ExitCode.USAGE


def test_an_input_file_must_hold_an_object(tmp_path: Path) -> None:
    """A list is no input."""
    (tmp_path / "in.json").write_text("[]")
    with pytest.raises(CliError, match="JSON object"):
        read_input([], str(tmp_path / "in.json"))
