"""What a model can do wrong, chosen by the model's name, so that tests can ask for it."""

from . import gullible
from .conversation import Answer, Conversation, ToolCall
from .model_names import BAD_ARGUMENTS, GULLIBLE, LOOP, NONSENSE, UNKNOWN_TOOL
from .rules import choose

# Past any sane bound of a client, in bytes: 32 MiB.
MEGABYTES_SIZE = 32 * 1024 * 1024


def answer(model: str, conversation: Conversation) -> Answer:
    """What `model` says. SLOW and ERROR are matters of HTTP and answer normally here."""
    if model == NONSENSE:
        return Answer('colourless green ideas { "sleep": furiously,')
    if model == UNKNOWN_TOOL:
        return Answer(calls=(ToolCall("shell__run", {"command": "id"}),))
    if model == BAD_ARGUMENTS and conversation.tools:
        return Answer(calls=(ToolCall(conversation.tools[0], {"no_such_argument": ["\u0000", -1]}),))
    if model == LOOP and conversation.tools:
        return _same_call_again(conversation)
    if model == GULLIBLE:
        return gullible.answer(conversation, choose(conversation).answer(conversation))
    return choose(conversation).answer(conversation)


def _same_call_again(conversation: Conversation) -> Answer:
    """The call that the role would begin with, as if nothing had been answered yet."""
    first = choose(conversation).answer(conversation.without_results())
    return first if first.calls else Answer(calls=(ToolCall(conversation.tools[0], {}),))
