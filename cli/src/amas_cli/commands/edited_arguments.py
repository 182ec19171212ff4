"""Other arguments for an action that waits: from $EDITOR or a file, with what policy says before anybody agrees."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode


async def edited_arguments(
    api: Any, approval: dict[str, Any], file: Path | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The approval as it is with the edited arguments, shown; and what its answer says about the edit.

    Raises CliError where nothing was edited, or where policy denies the edited action.
    """
    from amas_cli.output.approval import approval_lines, as_edited, edit_lines
    from amas_cli.output.terminal import note

    text = await _from_editor(approval) if file is None else _from_file(file)
    previewed = await api.preview_edit(str(approval["id"]), text)
    edit, decision = previewed.get("edit") or {}, previewed.get("decision") or {}
    becomes = as_edited(approval, edit)
    for shown in edit_lines(approval, becomes, decision):
        note(shown)
    if decision.get("effect") == "deny":
        raise CliError("Policy denies the edited action; nothing was decided.", exit_code=ExitCode.NOT_ALLOWED)
    for shown in approval_lines(becomes, datetime.now(UTC)):
        note(shown)
    return becomes, {"edited_arguments": text}


async def _from_editor(approval: dict[str, Any]) -> str:
    from amas_cli.output.editor import edited

    before = json.dumps(approval.get("arguments"), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    after = await edited(before, ".json")
    if after == before:
        raise CliError("Nothing was edited; nothing was decided.", exit_code=ExitCode.FAILED)
    return after


def _from_file(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"The arguments in {file} cannot be read.", exit_code=ExitCode.USAGE) from error
