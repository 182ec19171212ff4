"""Which data may go to a route's models: what is above the clearance is refused, or leaves under pseudonyms.

Refusing goes by the call's label. Pseudonymising looks at the texts as well, whatever the label says. Confidentiality
above the clearance is refused always: it is about the whole of what is said, and no detector can take it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.dlp import ScanRefused, scan
from amas_governance.labels import Label
from amas_governance.resources import RouteClearance

from .errors import body_invalid
from .json_texts import TooDeepError, joined, rewritten
from .pseudonyms import TOKEN, Pseudonyms, TooManyPseudonymsError

# Parts of messages that are texts; pictures, sounds and files cannot be looked into.
_TEXT_PARTS = frozenset({"text", "refusal", "input_text", "output_text"})


@dataclass(frozen=True, slots=True)
class Cleared:
    """The request as it may go out, and what must be put back into its answer (None: nothing)."""

    fields: dict[str, Any]
    pseudonyms: Pseudonyms | None = None


def clearance(spec: RouteClearance, label: Label, fields: dict[str, Any], *, route: str = "") -> Cleared:
    """The request for the route's models. Raises CLEARANCE_EXCEEDED (PERMISSION_DENIED), BODY_INVALID."""
    if label.confidentiality > spec.confidentiality:
        raise _exceeded(spec, label, route, "the data is more confidential than the route is cleared for")
    uncleared = label.categories - frozenset(spec.categories)
    if spec.otherwise == "refuse":
        if uncleared:
            raise _exceeded(spec, label, route, "the route is not cleared for data of this category")
        return Cleared(fields)
    if uncleared - spec.replaced:
        raise _exceeded(spec, label, route, "data of this category cannot be pseudonymised")
    if uncleared and _is_opaque(fields):
        raise _exceeded(spec, label, route, "only texts can be pseudonymised")
    return _pseudonymised(fields, spec.replaced) if spec.replaced else Cleared(fields)


def _pseudonymised(fields: dict[str, Any], categories: frozenset[str]) -> Cleared:
    try:
        text = joined(fields)
        if not scan(text, categories):
            return Cleared(fields)
        pseudonyms = Pseudonyms(categories, frozenset(TOKEN.findall(text)))
        hidden = rewritten(fields, pseudonyms.hide)
    except (ScanRefused, TooDeepError, TooManyPseudonymsError) as error:
        # What cannot be looked through does not go out.
        raise body_invalid(f"the request cannot be pseudonymised: {error}") from error
    return Cleared(hidden, pseudonyms) if pseudonyms else Cleared(fields)


def _is_opaque(fields: dict[str, Any]) -> bool:
    """Whether the request carries what is no text: a picture, a sound, a file, numbers of tokens."""
    given = fields.get("input")
    if isinstance(given, list) and not all(isinstance(item, str) for item in given):
        return True
    messages = fields.get("messages")
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else []:
            if not isinstance(part, dict) or part.get("type") not in _TEXT_PARTS:
                return True
    return False


def _exceeded(spec: RouteClearance, label: Label, route: str, message: str) -> AmasError:
    carried = " ".join([label.confidentiality.label, *sorted(label.categories)])
    cleared = " ".join([spec.confidentiality.label, *spec.categories])
    metadata = {"route": route, "label": carried, "clearance": cleared}
    return AmasError(ErrorKind.PERMISSION_DENIED, "CLEARANCE_EXCEEDED", message, metadata=metadata)
