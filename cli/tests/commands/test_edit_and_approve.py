"""`amas approve --edit`: what was edited is shown with what policy says of it, and only that is approved."""

import json
import sys
from pathlib import Path

import pytest
from amas_cli.exit_codes import ExitCode

from ..fakes import FakeGateway
from .conftest import Run
from .test_commands import APPROVAL, DIGEST

EDITED = "sha256:" + "e" * 64
RENDERING = "sha256:" + "f" * 64
OTHER = '{"message": "docs: better", "repo_path": "repository"}'
REQUIREMENT = {"from": ["release-managers"], "quorum": 1, "fourEyes": True}


def edit(effect: str = "ESCALATE") -> dict[str, object]:
    """What the gateway answers about the edit."""
    return {
        "edit": {
            "actionDigest": EDITED,
            "argumentsJson": OTHER,
            "editor": "release-manager",
            "requirement": REQUIREMENT,
            "renderingDigest": RENDERING,
            "expiresAt": "2999-01-01T00:00:00Z",
        },
        "decision": {"effect": f"EFFECT_{effect}", "reasons": [{"code": "WHY", "message": "so"}]},
    }


@pytest.fixture
def asked(gateway: FakeGateway) -> FakeGateway:
    """A gateway with one approval that waits."""
    gateway.answers["GET", "/v1/approvals/ap-1"] = APPROVAL
    gateway.answers["POST", "/v1/approvals/ap-1:previewEdit"] = edit()
    gateway.answers["POST", "/v1/approvals/ap-1:approve"] = {**APPROVAL, "state": "APPROVAL_STATE_APPROVED"}
    return gateway


def test_arguments_of_a_file_are_previewed_shown_and_approved(run: Run, asked: FakeGateway, tmp_path: Path) -> None:
    """I3: what is sent are the edited arguments, with the digests of what was shown of them."""
    file = tmp_path / "arguments.json"
    file.write_text(OTHER)
    done = run("approve", "ap-1", "--arguments", str(file), "--yes", "--reason", "clearer")
    assert done.exit_code == 0, done.output
    for shown in ("2Jnotes", "policy says escalate"):
        assert shown in done.stderr, done.stderr
    changed = [line for line in done.stderr.splitlines() if line.startswith(("+", "-"))]
    assert [line[0] for line in changed] == ["-", "+"]
    assert changed[1].endswith('"message": "docs: better",')
    preview, sent = asked.asked[-2:]
    assert preview.body == {"argumentsJson": OTHER}
    assert sent.body == {
        "actionDigest": EDITED,
        "renderingDigest": RENDERING,
        "reason": "clearer",
        "editedArgumentsJson": OTHER,
    }


def test_the_editor_is_the_users(run: Run, asked: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$EDITOR opens the proposed arguments, and what it leaves is previewed; untouched, nothing is decided."""
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib; f = pathlib.Path(sys.argv[1]); f.write_text(f.read_text().replace('docs', 'chore'))"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    assert run("approve", "ap-1", "--edit", "--yes").exit_code == 0
    previewed = json.loads(asked.asked[-2].body["argumentsJson"])
    assert previewed["message"].startswith("chore: ")
    before = len(asked.asked)
    monkeypatch.setenv("EDITOR", "true")
    assert run("approve", "ap-1", "--edit", "--yes").exit_code == ExitCode.FAILED
    monkeypatch.setenv("EDITOR", "false")
    assert run("approve", "ap-1", "--edit", "--yes").exit_code == ExitCode.USAGE
    assert [request.method for request in asked.asked[before:]] == ["GET", "GET"]


def test_a_denied_edit_decides_nothing(run: Run, asked: FakeGateway, tmp_path: Path) -> None:
    """The dry run's reasons are shown, and no answer is sent."""
    asked.answers["POST", "/v1/approvals/ap-1:previewEdit"] = edit("DENY")
    file = tmp_path / "arguments.json"
    file.write_text(OTHER)
    done = run("approve", "ap-1", "--arguments", str(file), "--yes")
    assert done.exit_code == ExitCode.NOT_ALLOWED
    assert "WHY: so" in done.stderr
    assert not any(":approve" in request.path for request in asked.asked)


def test_what_another_edited_is_approved_by_its_digest(run: Run, asked: FakeGateway) -> None:
    """A second approver of an edit sees the edited action; a digest that nobody asks about is not found."""
    asked.answers["GET", "/v1/approvals/ap-1"] = {**APPROVAL, "edits": [edit()["edit"]]}
    assert f"by release-manager into {EDITED}" in run("describe", "approval", "ap-1").stdout
    done = run("approve", "ap-1", "--digest", EDITED, "--yes")
    assert done.exit_code == 0, done.output
    assert "docs: better" in done.stderr
    assert (asked.asked[-1].body["actionDigest"], asked.asked[-1].body["renderingDigest"]) == (EDITED, RENDERING)
    assert run("approve", "ap-1", "--digest", "sha256:0", "--yes").exit_code == ExitCode.NOT_FOUND
    assert run("approve", "ap-1", "--digest", DIGEST, "--edit").exit_code == ExitCode.USAGE
