"""Writes `.amas/resources/budget.yaml` once: what the local tenant may spend in a day. After that it is its owner's.

A bound is there from the start, so that nobody finds out about budgets by a bill.
"""

from .environment import TENANT
from .home import Home, write_private
from .model_resources import UNKNOWN_PRICE, Model

DAILY_COST = "50"
"""US dollars: far above what a day at one machine costs, far below what hurts."""
DAILY_TOKENS = 10_000_000
"""For a model without prices, whose cost in money nobody knows."""


def write_budget_resources(home: Home, model: Model) -> None:
    """Write the file unless it is there."""
    path = home.resources / "budget.yaml"
    if not path.exists():
        write_private(path, _manifest(model))


def _manifest(model: Model) -> str:
    priced = any(price != UNKNOWN_PRICE for price in model.prices)
    limit = f'cost: {{amount: "{DAILY_COST}", currency: USD}}' if priced else f"tokens: {DAILY_TOKENS}"
    return f"""\
# Yours to change: `amas up` writes it only where it is missing. `amas budgets` shows what is used of it.
apiVersion: amas.dev/v1alpha1
kind: Budget
metadata: {{name: {TENANT}-daily}}
spec:
  subject: {{tenant: {TENANT}}}
  window: day
  {limit}
  alertAt: [50%, 80%]
"""
