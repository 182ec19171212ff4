import subprocess
from pathlib import Path

import pytest
from amas_cli.demo.answer import Answer, parse_answer
from amas_cli.demo.repository import FOLDER, clone_repository
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

IDENTITY = ("-c", "user.name=AMAS test", "-c", "user.email=test@amas.invalid", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *IDENTITY, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A repository with two commits."""
    folder = tmp_path / "original"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(2):
        (folder / f"{number}.txt").write_text(str(number))
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"feat: {number}")
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def commit_in(copy: Path) -> None:
    """A commit as a tool server makes it: without any configuration but the copy's own."""
    (copy / "RELEASE_NOTES.md").write_text("notes")
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    for arguments in (["add", "."], ["commit", "-q", "-m", "docs: notes"]):
        subprocess.run(["git", *arguments], cwd=copy, env=environment, check=True, capture_output=True)


def test_the_copy_takes_a_commit_and_the_original_none(original: Path, workspace: Path) -> None:
    """The newcomer's own repository is never touched, whatever happens in the copy."""
    before = git(original, "for-each-ref"), git(original, "status", "--porcelain")
    copy = clone_repository(original, workspace)
    assert copy.path == workspace / FOLDER
    assert copy.head == git(original, "rev-parse", "HEAD")
    assert copy.new_commits() == 0
    commit_in(copy.path)
    assert copy.new_commits() == 1
    assert git(copy.path, "remote") == ""
    assert (git(original, "for-each-ref"), git(original, "status", "--porcelain")) == before


def test_objects_are_copied_not_shared(original: Path, workspace: Path) -> None:
    """Hard links would let the copy harm the original."""
    copy = clone_repository(original, workspace)
    for file in (copy.path / ".git" / "objects").rglob("*"):
        assert file.is_dir() or file.stat().st_nlink == 1


@pytest.mark.parametrize("shape", ["detached", "bare", "shallow", "subfolder", "worktree", "unborn head"])
def test_repositories_of_any_shape(original: Path, workspace: Path, tmp_path: Path, shape: str) -> None:
    """What git can read, the demo can use."""
    source = original
    match shape:
        case "detached":
            git(original, "checkout", "-q", "--detach", "HEAD~1")
        case "bare":
            source = tmp_path / "bare.git"
            git(tmp_path, "clone", "-q", "--bare", str(original), str(source))
        case "shallow":
            source = tmp_path / "shallow"
            git(tmp_path, "clone", "-q", "--depth", "1", f"file://{original}", str(source))
        case "subfolder":
            source = original / "deep"
            source.mkdir()
        case "worktree":
            source = tmp_path / "tree"
            git(original, "worktree", "add", "-q", str(source), "-b", "other")
        case "unborn head":
            git(original, "symbolic-ref", "HEAD", "refs/heads/nothing-yet")
    copy = clone_repository(source, workspace)
    commit_in(copy.path)
    assert copy.new_commits() == 1


def test_uncommitted_changes_are_said_to_be_left_out(original: Path, workspace: Path) -> None:
    """Nobody wonders where a change is."""
    (original / "0.txt").write_text("changed")
    copy = clone_repository(original, workspace)
    assert copy.dirty
    assert (copy.path / "0.txt").read_text() == "0"
    assert (original / "0.txt").read_text() == "changed"


@pytest.mark.parametrize("kind", ["empty repository", "plain folder", "file", "absent"])
def test_what_cannot_be_used_is_a_clear_sentence(tmp_path: Path, workspace: Path, kind: str) -> None:
    """With the option that helps, and exit code 2."""
    source = tmp_path / "source"
    if kind == "file":
        source.write_text("")
    elif kind != "absent":
        source.mkdir()
        if kind == "empty repository":
            git(source, "init", "-q")
    with pytest.raises(CliError) as refused:
        clone_repository(source, workspace)
    assert refused.value.exit_code is ExitCode.USAGE
    assert "source" in refused.value.message


def test_a_machine_without_git_is_told(original: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a stack trace about a missing file."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CliError, match="git is not installed"):
        clone_repository(original, workspace)


def test_variables_of_a_hook_do_not_lead_elsewhere(
    original: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make demo` inside a git hook works on the repository that was named."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert clone_repository(original, workspace).new_commits() == 0


@pytest.mark.parametrize(("given", "answer"), [("yes", Answer.YES), ("NO ", Answer.NO)])
def test_an_answer_can_be_given_beforehand(given: str, answer: Answer) -> None:
    """For machines without a terminal; it holds on a terminal too."""
    assert parse_answer({"DEMO_APPROVE": given}, interactive=False) is answer
    assert parse_answer({"DEMO_APPROVE": given}, interactive=True) is answer


def test_a_terminal_is_asked() -> None:
    """Nothing is assumed."""
    assert parse_answer({}, interactive=True) is Answer.ASK


@pytest.mark.parametrize("environment", [{}, {"DEMO_APPROVE": "maybe"}])
def test_without_an_answer_nothing_is_started(environment: dict[str, str]) -> None:
    """Exit code 2 before anything runs."""
    with pytest.raises(CliError) as refused:
        parse_answer(environment, interactive=False)
    assert refused.value.exit_code is ExitCode.USAGE
