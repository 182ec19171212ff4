"""Looks up whom a ticket is about: the customer of record and the orders. Sees nothing that a customer wrote."""

import json
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

from .working import next_call, records

CUSTOMER = "helpdesk__get_customer"
ORDERS = "helpdesk__search_orders"
_OF_AN_ORDER = ("id", "item", "cents", "state", "tracking_url")


def matches(conversation: Conversation) -> bool:
    """By its name."""
    return conversation.agent == "clerk"


def answer(conversation: Conversation) -> Answer:
    """Two look-ups, then the card."""
    who = {"customer": conversation.input.get("customer", "")}
    call = next_call(conversation, (ToolCall(CUSTOMER, who), ToolCall(ORDERS, who)))
    if call is not None:
        return Answer(calls=(call,))
    customer = _parsed(conversation, CUSTOMER)
    card = {
        "name": str(customer.get("name", "")) if isinstance(customer, dict) else "",
        "email": str(customer.get("email", "")) if isinstance(customer, dict) else "",
        "orders": [
            {name: order[name] for name in _OF_AN_ORDER if name in order}
            for order in records(_parsed(conversation, ORDERS))
        ],
    }
    return Answer(json.dumps(card, ensure_ascii=False))


def _parsed(conversation: Conversation, function: str) -> Any:
    result = conversation.last_result(function)
    try:
        return json.loads(result.text) if result is not None else None
    except ValueError:
        return None
