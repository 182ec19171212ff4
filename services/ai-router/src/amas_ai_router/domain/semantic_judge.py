"""Do two answers say the same? The verdict from which the semantic cache learns, made without asking a model.

Deliberately strict: what it wrongly calls different costs a hit, what it wrongly calls equal costs correctness. The
bound on the error rate holds for answers as this judge tells them apart; another judge fits behind the same type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from .semantic_words import deciding_words, normal, words

# Share of words that two answers must have in common (F1 over their words as multisets), 0 to 1.
LEAST_OVERLAP = 0.9

Judge = Callable[[str, str], bool]
"""Whether a kept answer says what a fresh one says."""


def same_answer(kept: str, fresh: str) -> bool:
    """Equal but for case and white space; or nearly all words in common, with the same numbers and negations."""
    if normal(kept) == normal(fresh):
        return bool(kept.strip())
    if Counter(deciding_words(kept)) != Counter(deciding_words(fresh)):
        return False
    ours, theirs = Counter(words(kept)), Counter(words(fresh))
    total = ours.total() + theirs.total()
    return total > 0 and 2 * (ours & theirs).total() / total >= LEAST_OVERLAP
