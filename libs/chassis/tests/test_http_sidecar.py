"""What probes and operators are answered."""

from __future__ import annotations

import aiohttp
from amas_chassis.http_sidecar import HttpSidecar
from amas_chassis.readiness import Readiness


async def test_a_ready_process_says_what_it_lacks() -> None:
    """Notes stand beside the status and change nothing about it; without any there is none."""
    notes: dict[str, str] = {}
    readiness = Readiness({})
    readiness.accept(True)
    sidecar = HttpSidecar("127.0.0.1:0", readiness, notes=lambda: notes)
    await sidecar.start()
    try:
        async with aiohttp.ClientSession() as http:
            answers = []
            for found in ({}, {"tools run without": "isolation"}):
                notes.update(found)
                async with http.get(f"http://{sidecar.address}/readyz") as answer:
                    answers.append((answer.status, await answer.json()))
    finally:
        await sidecar.stop()
    assert answers == [
        (200, {"status": "ready"}),
        (200, {"status": "ready", "notes": {"tools run without": "isolation"}}),
    ]
