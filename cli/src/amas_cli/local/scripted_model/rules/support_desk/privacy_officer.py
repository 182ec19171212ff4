"""Deletes one customer, whom a person of the company has named."""

import json

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall, object_of

from .working import next_call

DELETE = "helpdesk__delete_customer"


def matches(conversation: Conversation) -> bool:
    """By its name."""
    return conversation.agent == "privacy-officer"


def answer(conversation: Conversation) -> Answer:
    """The deletion, then whether it was done."""
    call = next_call(conversation, (ToolCall(DELETE, {"customer": conversation.input.get("customer", "")}),))
    if call is not None:
        return Answer(calls=(call,))
    result = conversation.last_result(DELETE)
    done = result is not None and "deleted" in object_of(result.text)
    return Answer(json.dumps({"deleted": done}))
