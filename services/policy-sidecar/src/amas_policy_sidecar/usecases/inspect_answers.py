"""Looks through what a run would show to its callers, by the rules of its orchestration in the pinned bundle."""

from __future__ import annotations

from collections.abc import Sequence

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.canonical import JsonRefused, parse_json
from amas_governance.dlp.pseudonyms import RunPseudonyms

from amas_policy_sidecar.domain.answers import UNSCANNABLE, WITHHELD, Inspected, inspect_answer
from amas_policy_sidecar.domain.model import ActionContext
from amas_policy_sidecar.ports import Bundles


class InspectAnswers:
    """Inspection of answers. It does nothing and records nothing: what is done with them is its caller's."""

    def __init__(self, bundles: Bundles, *, secret: bytes | None = None) -> None:
        """`secret` is what the pseudonyms of all runs derive from; without it there are none."""
        self._bundles = bundles
        self._secret = secret

    def __call__(self, context: ActionContext, values: Sequence[str]) -> list[Inspected]:
        """One result for each JSON text, in order. Raises AmasError FAILED_PRECONDITION for what the bundle has not."""
        orchestration = self._bundles.get(context.bundle).orchestration(context.orchestration)
        if orchestration is None:
            message = f"the bundle has no orchestration {context.orchestration}"
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "ORCHESTRATION_UNKNOWN", message)
        pseudonyms = None
        if self._secret is not None:
            pseudonyms = RunPseudonyms(self._secret, context.principal.tenant, context.run_id)
        rules = orchestration.spec.answers
        results = []
        for text in values:
            try:
                value = parse_json(text)
            except JsonRefused:
                results.append(Inspected(WITHHELD, (UNSCANNABLE,)))
            else:
                results.append(inspect_answer(value, rules, pseudonyms))
        return results
