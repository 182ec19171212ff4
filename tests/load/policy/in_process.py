"""One decision in this process: our policy engine and cache beside Microsoft's agent-governance-toolkit."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from statistics import median

from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine

from ..report import Row, half_range
from ..router.peers import NotInstalledError
from . import peers, question
from .stage import POLICIES

ROUNDS, CALLS = 5, 2_000
TIMEOUT_S = 120.0
SCRIPT = Path(__file__).with_name("toolkit_peer.py")


async def measure(*, quick: bool) -> list[Row]:
    """CPU milliseconds a decision of both. The toolkit's rules compare one field; ours are all shipped policies."""
    calls = CALLS // 10 if quick else CALLS
    engine = WasmEngine()
    await engine.load("bench", PolicySet(wasm=(POLICIES / "build" / "policy.wasm").read_bytes()))
    document = question.policy_input(question.message(0))
    ours = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(calls):
            await engine.decide("bench", document)
        ours.append(1000 * (time.process_time() - begun) / calls)
    try:
        theirs = _toolkit(calls)
    except NotInstalledError as error:
        return [Row(f"agent-governance-toolkit: left out ({error})", 0.0, "")]
    ratio = median(ours) / median(theirs)
    peer = f"agent-governance-toolkit {peers.TOOLKIT_VERSION}"
    return [
        Row("toolkit's rules in process, CPU", median(theirs), "ms", spread=half_range(theirs)),
        Row("all our Rego in process, not cached, CPU", median(ours), "ms", peer, ratio, half_range(ours)),
    ]


def _toolkit(calls: int) -> list[float]:
    context = {"tool_name": "git/git_commit", "message": question.message(0), "agent_id": "publisher"}
    command = [str(peers.toolkit()), str(SCRIPT), str(ROUNDS), str(calls)]
    done = subprocess.run(
        command, input=json.dumps(context), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the toolkit failed: {done.stderr[-2000:]}")
    figures: list[float] = json.loads(done.stdout)
    return figures
