"""The README's way from nothing to a commit, where the machine gives the agents no name to commit as."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ..gateway_client import GatewayClient
from ..local_platform import running_platform
from .test_release_notes import INPUT, until_approval, until_end

pytestmark = pytest.mark.e2e
README = Path(__file__).parents[2] / "README.md"


def test_the_working_copy_of_the_readme_takes_a_commit(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tools run without the user's home, so that the working copy itself must say who commits."""
    with running_platform(tmp_path_factory.mktemp("readme")) as platform:
        (line,) = re.findall(r"^git clone .*\.amas/workspace/repository", README.read_text(), re.MULTILINE)
        origin = platform.repository.rename(platform.workspace / "origin")
        places = {".": str(origin), ".amas/workspace/repository": str(platform.repository)}
        subprocess.run([places.get(word, word) for word in shlex.split(line)], check=True, capture_output=True)
        shutil.rmtree(origin)
        platform.apply_release_notes()
        api = platform.status()["endpoints"]["api"]
        developer, manager = (GatewayClient(api, platform.token(name)) for name in ("developer", "release-manager"))
        head = platform.git("rev-parse", "HEAD")
        run = developer.start("release-notes", INPUT)
        manager.decide(until_approval(developer, run), approve=True)
        assert until_end(developer, run)["state"] == "RUN_STATE_SUCCEEDED"
        assert platform.git("log", "--format=%an <%ae>", f"{head}..HEAD") == "agents <agents@example.com>"
