"""Whether resources fit together: references, graphs, expressions. Each file checks one thing."""

from .check import check

__all__ = ["check"]
