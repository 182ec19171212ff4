"""Programs that others wrote, asked what they think of a log (tests/interop)."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from amas_cli.cache_folder import cache_folder

ROOT = Path(__file__).parents[3]
# Seconds: the first build fetches modules, a check reads a few thousand entries.
BUILD_TIMEOUT = 900.0
CHECK_TIMEOUT = 60.0


@cache
def program() -> str:
    """Path of the verifier, which is built if it is not in the cache. AssertionError with what is missing."""
    made = subprocess.run(
        [ROOT / "scripts" / "ensure_interop.sh", cache_folder()],
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@dataclass(frozen=True)
class Independent:
    """The verifier, and how it comes to a log that is served."""

    certificates: Any

    async def check(
        self, what: str, log: str | Path, keys: Sequence[str], *more: str | Path, come_as: str = "auditor"
    ) -> dict[str, Any]:
        """The answer to one check (`fsck`, `records`, `consistency`, `note`); `ok` says whether the log holds."""
        files = self.certificates.files(come_as)
        arguments = [what, "-log", log, "-ca", files.ca, "-cert", files.cert, "-cert-key", files.key]
        arguments += [part for key in keys for part in ("-key", key)]
        built = await asyncio.to_thread(program)
        process = await asyncio.create_subprocess_exec(
            built, *map(str, (*arguments, *more)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        async with asyncio.timeout(CHECK_TIMEOUT):
            out, errors = await process.communicate()
        assert process.returncode in (0, 1), errors.decode()
        answer: dict[str, Any] = json.loads(out)
        assert answer["ok"] == (process.returncode == 0)
        return answer
