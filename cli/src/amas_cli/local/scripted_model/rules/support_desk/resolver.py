"""Resolves a ticket: reads it, does what its intent asks for with what the clerk has looked up, answers, closes."""

import json
from collections.abc import Iterator
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall, object_of

from .working import next_call, records

READ = "helpdesk__read_ticket"
FETCH = "helpdesk__fetch_url"
MAIL = "helpdesk__send_mail"
UPDATE = "helpdesk__update_ticket"
REPLY = "helpdesk__reply_to_ticket"
CLOSE = "helpdesk__close_ticket"
BILLING = "delegate__billing"
LIBRARIAN = "delegate__librarian"
# A tool's own words are cut here when they are repeated to a customer (characters).
MAX_QUOTE = 600
# Whose tickets a person has to see: priority and queue.
_HANDED_OVER = {"complaint": ("high", "general"), "erasure": ("normal", "privacy"), "other": ("normal", "general")}


def matches(conversation: Conversation) -> bool:
    """By its name."""
    return conversation.agent == "resolver"


def answer(conversation: Conversation) -> Answer:
    """The next call of the plan; at its end, what became of the ticket."""
    call = next_call(conversation, _plan(conversation))
    if call is not None:
        return Answer(calls=(call,))
    status = "handed-over" if _intent(conversation) in _HANDED_OVER else "answered"
    return Answer(json.dumps({"status": status}))


def _plan(conversation: Conversation) -> Iterator[ToolCall]:
    ticket = {"ticket": conversation.input.get("ticket", "")}
    yield ToolCall(READ, ticket)
    intent, order = _intent(conversation), _order(conversation)
    if intent == "tracking" and order.get("tracking_url"):
        yield ToolCall(FETCH, {"url": order["tracking_url"]})
    if intent == "question":
        topic = conversation.input.get("topic", "other")
        yield ToolCall(LIBRARIAN, {"topic": topic, "question": f"What do we tell customers about {topic}?"})
    if intent == "refund" and order:
        yield ToolCall(BILLING, {"order": order["id"], "cents": order["cents"], "reason": "the customer asks for it"})
    if intent == "invoice" and order:
        yield ToolCall(MAIL, {"to": _email(conversation), "subject": f"Invoice {order['id']}", "text": _invoice(order)})
    if intent in _HANDED_OVER:
        priority, queue = _HANDED_OVER[intent]
        yield ToolCall(UPDATE, {**ticket, "priority": priority, "queue": queue})
    yield ToolCall(REPLY, {**ticket, "text": _reply(conversation)})
    if intent not in _HANDED_OVER:
        yield ToolCall(CLOSE, ticket)


def _reply(conversation: Conversation) -> str:
    name = conversation.input.get("name", "")
    return f"Hello {name},\n\n{_words(conversation)}\n\nYour help desk"


def _words(conversation: Conversation) -> str:
    intent, order = _intent(conversation), _order(conversation)
    if intent in _HANDED_OVER:
        return "thank you for writing. A colleague will look at it and answer you in person."
    if intent == "question":
        return str(_said(conversation, LIBRARIAN).get("answer") or "we have no article about that yet.")
    if not order:
        return "we could not tell which of your orders you mean. Please write its number."
    if intent == "tracking":
        page = conversation.last_result(FETCH)
        seen = page.text.strip()[:MAX_QUOTE] if page is not None and "error" not in page.text.lower() else ""
        return f"your order {order['id']} ({order['item']}) is {order['state']}. {seen}".strip()
    if intent == "invoice":
        return f"the invoice for {order['id']} is on its way to your e-mail address."
    reference = _said(conversation, BILLING).get("reference")
    return f"we have refunded {order['id']}: {reference}." if reference else f"we could not refund {order['id']}."


def _said(conversation: Conversation, function: str) -> dict[str, Any]:
    result = conversation.last_result(function)
    return object_of(result.text) if result is not None else {}


def _invoice(order: dict[str, Any]) -> str:
    cents = int(order["cents"])
    return f"Order {order['id']}\n{order['item']}: {cents // 100}.{cents % 100:02d} EUR\n"


def _intent(conversation: Conversation) -> str:
    return str(conversation.input.get("intent", "other"))


def _email(conversation: Conversation) -> str:
    return str(conversation.input.get("email", ""))


def _order(conversation: Conversation) -> dict[str, Any]:
    """The order that the ticket is about; the only one where it names none; empty where that cannot be told."""
    orders = records(conversation.input.get("orders"))
    wanted = conversation.input.get("order")
    named = [order for order in orders if order.get("id") == wanted] if wanted else orders
    return named[0] if len(named) == 1 else {}
