"""Reads a ticket and says what it wants, in the words of the schema alone: no word of the ticket gets through."""

import json
import re

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall, strings_of

from .working import next_call

READ = "helpdesk__read_ticket"
_ORDER = re.compile(r"\bO-[0-9]{4}\b")
# What a ticket wants, by the words in it; the first that is met decides.
_INTENTS = (
    ("erasure", ("delete my account", "erase my data", "forget me", "gdpr")),
    ("refund", ("refund", "money back")),
    ("invoice", ("invoice", "receipt")),
    ("tracking", ("where is", "not arrived", "tracking", "delivery", "parcel")),
    ("complaint", ("complain", "complaint", "unacceptable", "disappointed")),
    ("question", ("?",)),
)
_TOPICS = (
    ("warranty", ("warranty", "broken", "defect")),
    ("returns", ("return", "send it back", "exchange")),
    ("battery", ("battery", "charge", "charging")),
    ("shipping", ("shipping", "deliver", "abroad")),
)


def matches(conversation: Conversation) -> bool:
    """By its name."""
    return conversation.agent == "ticket-reader"


def answer(conversation: Conversation) -> Answer:
    """One look at the ticket, then what it wants."""
    call = next_call(conversation, (ToolCall(READ, {"ticket": conversation.input.get("ticket", "")}),))
    if call is not None:
        return Answer(calls=(call,))
    result = conversation.last_result(READ)
    text = " ".join(strings_of(result.text)).lower() if result is not None else ""
    found = {"intent": _first(_INTENTS, text, "other"), "topic": _first(_TOPICS, text, "other")}
    known = conversation.input.get("orders")
    named = [order for order in _ORDER.findall(text.upper()) if isinstance(known, list) and order in known]
    if named:
        found["order"] = named[0]
    return Answer(json.dumps(found))


def _first(choices: tuple[tuple[str, tuple[str, ...]], ...], text: str, otherwise: str) -> str:
    return next((name for name, words in choices if any(word in text for word in words)), otherwise)
