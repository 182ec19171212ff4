"""Puts every ticket through the orchestration, as the portal would, while a person answers approvals."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from amas_cli.commands.audit import save_export, verify_file
from amas_cli.commands.resources import applied
from amas_cli.commands.session import gateway
from amas_cli.gateway.api import GatewayApi
from amas_cli.local.home import Home
from amas_cli.local.platform_plan import repository_root
from amas_cli.resource_files import read_resource_files

from .careful_person import CarefulPerson
from .observed import Observed
from .tickets import Cases, Ticket

ORCHESTRATION = "support-desk"
REQUESTER, APPROVER, AUDITOR = "developer", "support-lead", "auditor"
AT_ONCE = 6
"""Tickets that are worked on at the same time."""
TIMEOUT_S = 15 * 60


async def work_through(home: Home, cases: Cases) -> list[Observed]:
    """Every ticket to its end; what was seen of each, by the ticket's id."""
    async with asyncio.timeout(TIMEOUT_S), gateway("", REQUESTER) as api, gateway("", APPROVER) as lead:
        folders = [repository_root() / "policies" / "contracts" / ORCHESTRATION, home.resources]
        await applied(api, read_resource_files([str(folder) for folder in folders]))
        person = CarefulPerson(lead)
        watching = asyncio.create_task(person.watch())
        try:
            work = asyncio.gather(*_queued(api, person, cases))
            both: list[asyncio.Future[Any]] = [work, watching]
            # A person who is gone would leave everything waiting: whichever ends first tells.
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                work.cancel()
                await watching
            return sorted(await work, key=lambda seen: seen.ticket.id)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


def _queued(api: GatewayApi, person: CarefulPerson, cases: Cases) -> list[asyncio.Task[Observed]]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(ticket: Ticket) -> Observed:
        async with places:
            return await _work_on(api, person, ticket)

    return [asyncio.create_task(one(ticket)) for ticket in cases.tickets]


async def _work_on(api: GatewayApi, person: CarefulPerson, ticket: Ticket) -> Observed:
    started = await api.start_run(ORCHESTRATION, {"ticket": ticket.id, "customer": ticket.customer}, "")
    seen = Observed(ticket, str(started["id"]))
    person.knows(seen.run_id, ticket)
    async for event in api.watch(seen.run_id):
        seen.take_in(event)
    return seen


async def verify_all(home: Home, seen: list[Observed], folder: Path) -> list[str]:
    """Exports each run as the auditor and verifies it offline; answers the runs whose record does not verify."""
    bad = []
    async with gateway("", AUDITOR) as api:
        for one in seen:
            export = folder / f"{one.ticket.id}.audit"
            await save_export(api.audit_export(one.run_id), export)
            report = await asyncio.to_thread(verify_file, export, home.audit_public_key)
            if report.verdict.value != "verified":
                bad.append(one.run_id)
    return bad
