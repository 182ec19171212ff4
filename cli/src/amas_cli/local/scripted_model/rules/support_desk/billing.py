"""Pays one order back to where the money came from."""

import json

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall, object_of

from .working import next_call

REFUND = "helpdesk__refund_order"


def matches(conversation: Conversation) -> bool:
    """By its name."""
    return conversation.agent == "billing"


def answer(conversation: Conversation) -> Answer:
    """The refund, then its reference."""
    asked = conversation.input
    arguments = {"order": asked.get("order", ""), "cents": asked.get("cents", 0), "account": "original"}
    call = next_call(conversation, (ToolCall(REFUND, arguments),))
    if call is not None:
        return Answer(calls=(call,))
    result = conversation.last_result(REFUND)
    reference = object_of(result.text).get("refund") if result is not None else None
    return Answer(json.dumps({"reference": reference if isinstance(reference, str) else ""}))
