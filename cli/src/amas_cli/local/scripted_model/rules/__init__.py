"""Which rule answers which conversation. A rule is a module with `matches` and `answer`; the first match wins."""

from collections.abc import Callable
from dataclasses import dataclass

from amas_cli.local.scripted_model.conversation import Answer, Conversation

from . import analyst, commanded, generic, historian, installation, publisher, writer
from .support_desk import billing, clerk, librarian, privacy_officer, resolver, ticket_reader


@dataclass(frozen=True)
class Rule:
    """One role's way to answer."""

    name: str
    matches: Callable[[Conversation], bool]
    answer: Callable[[Conversation], Answer]


REGISTRY: tuple[Rule, ...] = (
    Rule("commanded", commanded.matches, commanded.answer),
    Rule("installation-test", installation.matches, installation.answer),
    Rule("clerk", clerk.matches, clerk.answer),
    Rule("ticket-reader", ticket_reader.matches, ticket_reader.answer),
    Rule("resolver", resolver.matches, resolver.answer),
    Rule("billing", billing.matches, billing.answer),
    Rule("librarian", librarian.matches, librarian.answer),
    Rule("privacy-officer", privacy_officer.matches, privacy_officer.answer),
    Rule("publisher", publisher.matches, publisher.answer),
    Rule("writer", writer.matches, writer.answer),
    Rule("analyst", analyst.matches, analyst.answer),
    Rule("historian", historian.matches, historian.answer),
    Rule("generic", generic.matches, generic.answer),
)


def choose(conversation: Conversation) -> Rule:
    """The rule for a conversation; `generic` matches all."""
    return next(rule for rule in REGISTRY if rule.matches(conversation))
