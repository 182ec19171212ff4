"""Says how much of each budget of a tenant is used, held and left now, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.pagination import decode_token, encode_token

from amas_ai_router.domain.budgets import BudgetState
from amas_ai_router.domain.model import CallContext
from amas_ai_router.ports import Budgets

from .find_routing import FindRouting

DEFAULT_PAGE = 100
MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """States in the order of rule and subject, and the token of the next page, empty on the last."""

    states: Sequence[BudgetState]
    next_page_token: str


class ListBudgets:
    """Reads the counters as calls do; a rule of another tenant is not shown."""

    def __init__(self, routing: FindRouting, budgets: Budgets) -> None:
        self._routing = routing
        self._budgets = budgets

    async def run(self, context: CallContext, name: str = "", page_size: int = 0, page_token: str = "") -> BudgetPage:
        """A page of the bundle's budgets, of one where `name` is given.

        Raises BUNDLE_UNKNOWN, PAGE_TOKEN_INVALID, or UNAVAILABLE if the counters cannot be read.
        """
        tenant = context.principal.tenant
        size = min(page_size or DEFAULT_PAGE, MAX_PAGE)
        question = [context.bundle, tenant, name]
        after = _after(page_token, question)
        routing = await self._routing.run(context.bundle)
        rules = [rule for rule in routing.budgets if rule.tenant in (None, tenant) and name in ("", rule.name)]
        states = await self._budgets.states(rules, tenant) if rules else []
        left = sorted((state for state in states if after is None or _place(state) > after), key=_place)
        if len(left) <= size:
            return BudgetPage(left, "")
        return BudgetPage(left[:size], encode_token({"question": question, "after": list(_place(left[size - 1]))}))


def _place(state: BudgetState) -> tuple[str, str]:
    return (state.rule.name, state.subject)


def _after(token: str, question: list[str]) -> tuple[str, str] | None:
    if not token:
        return None
    cursor = decode_token(token)
    after = cursor.get("after")
    parts = after if isinstance(after, list) and all(isinstance(part, str) for part in after) else []
    if cursor.get("question") != question or len(parts) != 2:
        raise AmasError(ErrorKind.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", "the page token belongs to another question")
    return (parts[0], parts[1])
