"""Which paths are model APIs, by their bounded names, and whose form their errors have."""

from __future__ import annotations

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
MODELS = "/v1/models"
MODEL = "/v1/models/{model}"
RESPONSES = "/v1/responses"
RESPONSE = "/v1/responses/{id}"
MESSAGES = "/v1/messages"
MESSAGE = "/v1/messages/{id}"

_EXACT = {path: path for path in (CHAT, EMBEDDINGS, MODELS, RESPONSES, MESSAGES)}
_BELOW = (MODEL, RESPONSE, MESSAGE)


def route_of(path: str) -> str:
    """The name of the model API's path, fit for a metric's label; empty for every other path."""
    found = _EXACT.get(path)
    if found is not None:
        return found
    return next((name for name in _BELOW if path.startswith(name.partition("{")[0])), "")


def is_anthropic(route: str) -> bool:
    """Whether the route is Anthropic's; all others of this package are OpenAI's."""
    return route in (MESSAGES, MESSAGE)
