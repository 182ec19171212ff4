"""Whether resources fit together: references, graphs, expressions. Each file checks one thing."""

from .advice import advice
from .check import check

__all__ = ["advice", "check"]
