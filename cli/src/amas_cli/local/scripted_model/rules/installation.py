"""Plays the role that tests an installation: calls its tool once, if it has one, and answers the word it was given."""

import json

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

AGENT = "installation-test"


def matches(conversation: Conversation) -> bool:
    """The instructions speak to that agent."""
    return conversation.agent == AGENT


def answer(conversation: Conversation) -> Answer:
    """First the call, then the word."""
    given = conversation.input
    arguments = given.get("call")
    if conversation.tools and conversation.wants(conversation.tools[0]):
        call = ToolCall(conversation.tools[0], arguments if isinstance(arguments, dict) else {})
        return Answer(calls=(call,))
    return Answer(json.dumps({"word": str(given.get("word", ""))}))
