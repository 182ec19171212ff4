"""Opens a text in the user's editor, as git does: $VISUAL, else $EDITOR, else vi. The file is the user's alone."""

import asyncio
import os
import shlex
import tempfile
from pathlib import Path

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode


async def edited(text: str, suffix: str) -> str:
    """The text as the user left it; raises CliError when the editor cannot be started or says that it failed."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="amas-") as folder:
        file = Path(folder) / f"edit{suffix}"
        file.write_text(text, encoding="utf-8")
        try:
            process = await asyncio.create_subprocess_exec(*command, str(file))
        except OSError as error:
            raise _failed(f"The editor {command[0]} cannot be started: {error.strerror or error}.") from error
        if await process.wait() != 0:
            raise _failed(f"The editor {command[0]} failed; nothing was edited.")
        return file.read_text(encoding="utf-8")


def _failed(message: str) -> CliError:
    return CliError(message, next_step="set EDITOR to the editor that you use", exit_code=ExitCode.USAGE)
