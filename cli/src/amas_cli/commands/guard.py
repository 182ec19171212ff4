"""Wraps every command: an error becomes a sentence on standard error and an exit code, never a stack trace."""

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.printable import printable

P = ParamSpec("P")


def guarded(command: Callable[P, int | None] | Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """A command that raises nothing but typer.Exit. It may be async, and may answer its exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(_outcome(lambda: command(*args, **kwargs)))

    return run


def _outcome(call: Callable[[], Any]) -> int:
    try:
        result = call()
        if asyncio.iscoroutine(result):
            result = asyncio.run(result)
        return int(result or 0)
    except CliError as error:
        return fail(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe left. Nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except typer.Exit as done:
        return int(done.exit_code)
    except OSError as error:
        return fail(CliError(f"{error.filename or 'The system'}: {error.strerror or error}."))
    except Exception as error:
        if os.environ.get("AMAS_DEBUG"):
            raise
        return fail(
            CliError(
                f"Something unexpected happened: {type(error).__name__}: {error}.",
                next_step="set AMAS_DEBUG=1 to see where",
            )
        )


def fail(error: CliError) -> int:
    """Print an error; answers its exit code."""
    for text in error.lines():
        print(printable(text), file=sys.stderr, flush=True)
    return int(error.exit_code)
