"""The policy benchmark's own rules: what counts as found, and a question that is what it says it is."""

from __future__ import annotations

import json

from amas_governance.dlp import inspect_value

from .policy import question
from .policy.detection import Corpus, _score


def test_a_finding_counts_for_a_truth_of_its_entity_that_it_overlaps() -> None:
    """Half a card is found; an address where a card is wanted is not, and is a false one."""
    corpus = Corpus(["0123456789"], [[(0, 6, "CREDIT_CARD")]])
    assert _score("", corpus, [[(3, 6, "CREDIT_CARD")]]) == (1.0, 1.0)
    assert _score("", corpus, [[(3, 6, "EMAIL_ADDRESS")]]) == (0.0, 0.0)
    assert _score("EMAIL_ADDRESS", corpus, [[]]) == (1.0, 1.0)


def test_the_question_has_two_kilobytes_and_nothing_to_find() -> None:
    """What is measured is a decision that allows, not a refusal, and another one for each number."""
    first, second = question.message(1), question.message(2)
    assert first != second
    request = question.request("sha256:" + "0" * 64, first)
    assert 1_950 < len(request.tool.arguments_json) < 2_150
    assert inspect_value(json.loads(request.tool.arguments_json)) == []
