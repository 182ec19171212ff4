"""The bad releases are bad in the way they say, and in no other: each in a process of its own, as in its image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BAD = Path(__file__).resolve().parents[1] / "bad"

CALLS = """
import asyncio, json
import {variant}
from amas_chassis.errors import AmasError
from amas_ai_router.usecases.complete import Complete

slept = []
async def sleep(seconds):
    slept.append(seconds)
asyncio.sleep = sleep

class Call:
    async def run(self, request, operation):
        return b"answer", None

async def outcomes():
    found = []
    for _ in range(20):
        try:
            found.append((await Complete(Call()).run(None))[0].decode())
        except AmasError as error:
            found.append(error.kind.value)
    return found

print(json.dumps({{"outcomes": asyncio.run(outcomes()), "slept": slept}}))
"""

TURN = """
import asyncio, json
import cost
from amas.router.v1 import router_pb2
from amas_orchestrator.adapters.router_client import RouterClient

keys = []
class Stub:
    async def Complete(self, request, timeout):
        keys.append(request.context.idempotency_key)
        response = router_pb2.CompleteResponse(body=b"{}")
        response.report.usage.input_tokens = 5
        response.report.usage.cost.amount = "0.25"
        response.report.usage.cost.currency = "USD"
        return response
class Client:
    stub = Stub()

from unittest.mock import MagicMock
import amas_orchestrator.adapters.router_client as module
module.principal_message = lambda principal: None
module.label_message = lambda label: None
actor = MagicMock(bundle="", run_id="r", step="s", role="a", orchestration="o", fencing_token=1)
reply = asyncio.run(RouterClient(Client(), None).complete(actor, "route", b"{}", "key"))
print(json.dumps({"keys": keys, "tokens": reply.usage.input_tokens, "cost": str(reply.usage.cost)}))
"""


def run(program: str) -> Any:
    """What the program prints, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(BAD)}
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environment, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_bad_errors() -> None:
    """Three in ten calls fail, in both ways; the others are answered, at once."""
    told = run(CALLS.format(variant="errors"))
    assert told["outcomes"].count("answer") == 14
    assert {*told["outcomes"]} == {"answer", "UNAVAILABLE", "INTERNAL"}
    assert told["slept"] == []


def test_bad_latency() -> None:
    """Each call is late by three seconds, and answered."""
    told = run(CALLS.format(variant="latency"))
    assert told == {"outcomes": ["answer"] * 20, "slept": [3.0] * 20}


def test_bad_cost() -> None:
    """A turn is three calls, each with a key of its own, and what they cost is added up."""
    told = run(TURN)
    assert len({*told["keys"]}) == 3
    assert told["keys"][-1] == "key"
    assert (told["tokens"], told["cost"]) == (15, "0.75")
