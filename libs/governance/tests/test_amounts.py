"""Bounds of amounts: read strictly from the arguments, never guessed, and coherent in themselves."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.resources import AmountBound
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"refund": {"amount": 12}}, 12),
        ({"refund": {"amount": -12.5}}, 12.5),
        ({"refund": {"amount": "12.50"}}, 12.5),
        ({"refund": {"amount": "-0.01"}}, 0.01),
        ({"refund": {"amount": True}}, None),
        ({"refund": {"amount": None}}, None),
        ({"refund": {"amount": [12]}}, None),
        ({"refund": {"amount": "1e9"}}, None),
        ({"refund": {"amount": "0x10"}}, None),
        ({"refund": {"amount": "12 "}}, None),
        ({"refund": {"amount": "\u0661\u0662"}}, None),
        ({"refund": {"amount": "NaN"}}, None),
        ({"refund": {"amount": float("inf")}}, None),
        ({"refund": 12}, None),
        ({"refund.amount": 12}, None),
        ({}, None),
    ],
)
def test_the_size_is_a_plain_number_or_nothing(arguments: dict[str, Any], size: float | None) -> None:
    """What is not exactly a number has no size, and policy asks a human; a sign does not make an amount smaller."""
    assert AmountBound.model_validate({"argument": "refund.amount", "denyAbove": 1}).size(arguments) == size


@pytest.mark.parametrize(
    "bound",
    [
        {"argument": "a"},
        {"argument": "a", "escalateAbove": 2, "denyAbove": 1},
        {"argument": "a", "denyAbove": -1},
        {"argument": "a", "denyAbove": "many"},
        {"argument": "a..b", "denyAbove": 1},
        {"argument": "", "denyAbove": 1},
        {"argument": "a", "denyAbove": 1, "currency": "USD"},
    ],
)
def test_a_bound_that_means_nothing_is_refused(bound: dict[str, Any]) -> None:
    """I11: a contract that bounds nothing, or the wrong way round, is an error."""
    with pytest.raises(ValidationError):
        AmountBound.model_validate(bound)
