"""Looks an answer up in the knowledge base."""

import json

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

from .working import next_call, records

SEARCH = "helpdesk__search_knowledge_base"


def matches(conversation: Conversation) -> bool:
    """By its name."""
    return conversation.agent == "librarian"


def answer(conversation: Conversation) -> Answer:
    """One search, then the text of the article that is about the topic."""
    topic = conversation.input.get("topic", "")
    call = next_call(conversation, (ToolCall(SEARCH, {"query": topic}),))
    if call is not None:
        return Answer(calls=(call,))
    result = conversation.last_result(SEARCH)
    try:
        found = records(json.loads(result.text)) if result is not None else []
    except ValueError:
        found = []
    texts = [str(article.get("text", "")) for article in found if article.get("topic") == topic]
    return Answer(json.dumps({"answer": texts[0] if texts else ""}, ensure_ascii=False))
