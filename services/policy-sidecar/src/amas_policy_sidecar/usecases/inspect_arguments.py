"""Looks through the arguments before policy is asked: what is seen in them, and what the contracts say about it.

Policies decide with it, and `check_data` holds to it in the code as well.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from amas_governance import dlp

from amas_policy_sidecar.domain.arguments import check_arguments
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.leaving import Leaving, action_of

# Texts of arguments whose sightings are remembered, and the longest of them (characters): an action is often looked at
# again, once a human has agreed to it or when its outcome was not heard. No value is in a sighting, only where it was.
MAX_REMEMBERED = 2_048
MAX_REMEMBERED_TEXT = 16 * 1024
MAX_REMEMBERED_SIGHTINGS = 16


class InspectArguments:
    """Looks through arguments; what was seen in a text is remembered by the text's digest alone."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, Sequence[dlp.Sighting]] = OrderedDict()

    def __call__(self, case: Case) -> None:
        """Fill in what leaves, and the arguments as they may leave; Denied for what cannot be looked through."""
        if case.arguments is None or case.schema is None:
            raise RuntimeError("the contract check has not run")
        try:
            sightings = self._sightings(case)
        except dlp.ScanRefused as error:
            raise Denied("ARGUMENTS_UNSCANNABLE", f"the arguments cannot be looked through: {error}") from error
        rules = case.grant.leaving
        case.leaving = Leaving(tuple((seen, action_of(rules, seen.detector, seen.category)) for seen in sightings))
        case.delivered = case.leaving.changed(case.arguments, case.token or _redacted)
        if case.delivered is not None:
            # What is put in place of a value must be something that the tool, and each contract, accepts.
            check_arguments(case.delivered, case.schema, case.grant.narrowings)

    def _sightings(self, case: Case) -> Sequence[dlp.Sighting]:
        text = case.action.arguments_json
        if len(text) > MAX_REMEMBERED_TEXT or case.arguments != case.proposed:
            # With values in place of pseudonyms the arguments are not what their text says.
            return dlp.inspect_value(case.arguments)
        # Of the text and not of its canonical form: what is seen depends on how a number is written. Tenants apart.
        whose = case.context.principal.tenant
        key = hashlib.sha256(f"{whose}\0{text}".encode("utf-8", "surrogatepass")).digest()
        seen = self._seen.get(key)
        if seen is None:
            seen = tuple(dlp.inspect_value(case.arguments))
            if len(seen) <= MAX_REMEMBERED_SIGHTINGS:
                self._seen[key] = seen
                while len(self._seen) > MAX_REMEMBERED:
                    self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(key)
        return seen


def _redacted(detector: str, _text: str) -> str:
    """What stands in for a pseudonym where there is no key for one."""
    return f"[redacted:{detector}]"
