"""When a kept answer may be given to a similar question: the decision rule of vCache (arXiv 2502.03771).

For each kept answer, whether it is right for a question of similarity s is modelled as a sigmoid

    L(s; t, g) = 1 / (1 + exp(-g (s - t)))

with a threshold t and a slope g >= 0 of its own, fitted to what was observed: similarities at which a model was asked
all the same, and whether its answer agreed. With probability tau the model is asked again ("explore"), else the kept
answer is given ("exploit"). For a confidence 1 - e, let L_e be the least L over all (t, g) that the observations leave
plausible at that confidence; then the kept answer is right with probability at least a = (1 - e) L_e, and

    tau = min over e of  1 - delta / (1 - (1 - e) L_e)

keeps the probability of a wrong answer, (1 - tau)(1 - a), at or below delta. That is the paper's rule and its
reference code's (`vcache_policy/strategies/verified.py`, `_get_tau`). Three things are done otherwise, each of which
can only lower the share of answers that are given:
- Plausible are all (t, g) whose likelihood is at least e times the greatest (Wilks: chi-square with two degrees has
  the quantile -2 ln e), instead of a normal band around t alone. It needs no table for the frequent case that right and
  wrong observations do not overlap, and where all n were right it is the exact binomial bound, e ** (1 / n).
- A kept answer that is not known to be right more often than not is never given, although delta would allow a few.
- With fewer than MIN_OBSERVATIONS nothing is given (the reference code has the same number).

The likelihood is searched on a grid over L's log-odds at two similarities, from which t and g follow. Observations are
counted in steps of similarity, rounded down, so their memory does not grow with use.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Below this cosine similarity a neighbour is a stranger: neither asked nor learnt about.
MIN_SIMILARITY = 0.5
MIN_OBSERVATIONS = 6
# Steps in which similarities are counted: 0.01.
STEPS = 100
_LEAST_RIGHT = 0.5
_FIRST_STEP = round(MIN_SIMILARITY * STEPS)

# Confidences e for which the bound is looked at.
_CONFIDENCES = np.geomspace(1e-5, 0.5, 48)
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """How often a kept answer was right and wrong, by step of similarity (`step_of`)."""

    right: Mapping[int, int]
    wrong: Mapping[int, int]

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.right.values()) + sum(self.wrong.values())


def step_of(similarity: float) -> int:
    """The step in which a similarity is counted; 1 and what floating point puts above it are the last one."""
    return max(0, min(STEPS, int(similarity * STEPS + 1e-6)))


class FittedDecision:
    """The decision for one kept answer, from its observations so far."""

    def __init__(self, seen: Observations) -> None:
        self._count = seen.count
        grid = _grid()
        log_likelihood = np.zeros(len(grid.at_one))
        for counts, table in ((seen.right, grid.log_right), (seen.wrong, grid.log_wrong)):
            if counts:
                steps = [max(0, step - _FIRST_STEP) for step in counts]
                log_likelihood += np.fromiter(counts.values(), dtype=np.float64) @ table[steps]
        ratio = log_likelihood - log_likelihood.max()
        order = np.argsort(-ratio)
        self._best = int(order[0])
        # The grid by falling likelihood, and how much of it each confidence leaves plausible.
        self._order = order
        self._plausible = np.searchsorted(-ratio[order], -np.log(_CONFIDENCES), side="right") - 1

    @property
    def threshold(self) -> float:
        """The likeliest t: the similarity at which the kept answer is right every other time."""
        slope = self.slope
        return 1.0 - float(_grid().at_one[self._best]) / slope if slope else float("nan")

    @property
    def slope(self) -> float:
        """The likeliest g, at least 0."""
        return float(_grid().at_one[self._best] - _grid().at_least[self._best]) / (1.0 - MIN_SIMILARITY)

    def least_right(self, similarity: float) -> Numbers:
        """(1 - e) L_e for each confidence: lower bounds on the probability that the kept answer is right."""
        odds = _grid().odds(step_of(similarity))[self._order]
        least = 1.0 / (1.0 + np.exp(-np.minimum.accumulate(odds)))
        bounds: Numbers = (1.0 - _CONFIDENCES) * least[self._plausible]
        return bounds

    def explore_probability(self, similarity: float, max_error_rate: float) -> float:
        """tau: how often (0 to 1) the model must be asked at this similarity, so that errors stay within the rate."""
        if self._count < MIN_OBSERVATIONS or similarity < MIN_SIMILARITY:
            return 1.0
        right = float(self.least_right(similarity).max())
        if right <= _LEAST_RIGHT:
            return 1.0
        return min(1.0, max(0.0, 1.0 - max_error_rate / (1.0 - right)))


class _Grid:
    """Pairs of log-odds of L at similarity 1 and at MIN_SIMILARITY, and ln L and ln(1 - L) of each at every step.

    Fine where probabilities differ. Below 0.03 % only the slope differs, so it is coarser there; -256 at the lower end
    and 8 at the upper is a threshold within 0.02 of 1.
    """

    def __init__(self) -> None:
        fine = np.linspace(-8.0, 8.0, 49)
        steep = [-256.0, -128.0, -64.0, -48.0, -32.0, -24.0, -20.0, -16.0, -14.0, -12.0, -10.0, -9.0]
        at_one, at_least = (part.ravel() for part in np.meshgrid(fine, np.concatenate((steep, fine))))
        rising = at_one >= at_least
        self.at_one: Numbers = at_one[rising]
        self.at_least: Numbers = at_least[rising]
        odds = np.stack([self.odds(step) for step in range(_FIRST_STEP, STEPS + 1)])
        self.log_right: Numbers = -np.logaddexp(0.0, -odds)
        self.log_wrong: Numbers = -np.logaddexp(0.0, odds)

    def odds(self, step: int) -> Numbers:
        """Log-odds of L at a step, for every pair."""
        part = (max(step / STEPS, MIN_SIMILARITY) - MIN_SIMILARITY) / (1.0 - MIN_SIMILARITY)
        odds: Numbers = self.at_least + part * (self.at_one - self.at_least)
        return odds


@functools.cache
def _grid() -> _Grid:
    return _Grid()
