"""Applies what fits: one bad resource neither stops the others nor is half applied.

The platform takes a request whole or not at all. So what it names as wrong is left out (what was applied of it before
stays in force), and the rest is sent again; every resource gets a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amas_operator.domain import statuses
from amas_operator.domain.errors import NotAllowedError, RefusedError
from amas_operator.domain.model import Applied, CustomResource, Found, Key, Reason, Verdict
from amas_operator.ports import Platform

MAX_ROUNDS = 32
"""Requests in which offenders are named at most; a chain of references that is longer than this is sent one by one."""

Manifests = Mapping[Key, Mapping[str, Any]]


class ApplyAll:
    """Puts resources on the platform, and takes them off it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def put(self, resources: Sequence[CustomResource], manifests: Manifests) -> dict[Key, Verdict]:
        """Verdicts on all of `resources`. Raises UnavailableError; what was applied before it stays."""
        verdicts: dict[Key, Verdict] = {}
        left = {resource.key: resource for resource in resources}
        for _ in range(MAX_ROUNDS):
            if not left:
                return verdicts
            try:
                answer = await self._platform.apply({key: manifests[key] for key in left}, ())
            except RefusedError as refused:
                offenders = _by_key(refused.problems, left)
                if not offenders:
                    return verdicts | await self._one_by_one(left, manifests)
                for key, text in offenders.items():
                    del left[key]
                    verdicts[key] = Verdict(False, Reason.REFUSED, text)
            except NotAllowedError:
                return verdicts | await self._one_by_one(left, manifests)
            else:
                return verdicts | _applied(left, answer)
        return verdicts | await self._one_by_one(left, manifests)

    async def _one_by_one(self, resources: Mapping[Key, CustomResource], manifests: Manifests) -> dict[Key, Verdict]:
        """Each alone, as long as any of them gets on: one may refer to another."""
        verdicts: dict[Key, Verdict] = {}
        left = dict(resources)
        while left:
            before = len(left)
            for key in list(left):
                try:
                    answer = await self._platform.apply({key: manifests[key]}, ())
                except (RefusedError, NotAllowedError) as refused:
                    verdicts[key] = Verdict(False, Reason.REFUSED, str(refused))
                else:
                    verdicts |= _applied({key: left.pop(key)}, answer)
            if len(left) == before:
                break
        return verdicts

    async def take_off(self, keys: Sequence[Key]) -> dict[Key, Verdict | None]:
        """For each key None if the platform does not have it any more, else why it is still there."""
        left = [key for key in keys if await self._platform.has(key)]
        outcome: dict[Key, Verdict | None] = dict.fromkeys(keys)
        while left:
            try:
                await self._platform.apply({}, left)
                return outcome | dict.fromkeys(left)
            except (RefusedError, NotAllowedError):
                gone = await self._taken_off_alone(left, outcome)
            if not gone:
                return outcome
            left = [key for key in left if key not in gone]
        return outcome

    async def _taken_off_alone(self, keys: Sequence[Key], outcome: dict[Key, Verdict | None]) -> set[Key]:
        gone: set[Key] = set()
        for key in keys:
            try:
                await self._platform.apply({}, [key])
            except RefusedError as refused:
                outcome[key] = Verdict(False, Reason.STILL_NEEDED, str(refused))
            except NotAllowedError as refused:
                outcome[key] = Verdict(False, Reason.REFUSED, str(refused))
            else:
                outcome[key] = None
                gone.add(key)
        return gone


def _by_key(problems: Sequence[Found], known: Mapping[Key, CustomResource]) -> dict[Key, str]:
    by_file = {str(key): key for key in known}
    texts: dict[Key, list[str]] = {}
    for problem in problems:
        if problem.file in by_file:
            texts.setdefault(by_file[problem.file], []).append(problem.text)
    return {key: "; ".join(found) for key, found in texts.items()}


def _applied(resources: Mapping[Key, CustomResource], answer: Applied) -> dict[Key, Verdict]:
    notes = _by_key(answer.warnings, resources)
    return {
        key: statuses.applied(
            resource,
            answer.bundle,
            changed=key in answer.changed,
            notes=f"warning: {notes[key]}" if key in notes else "",
        )
        for key, resource in resources.items()
    }
