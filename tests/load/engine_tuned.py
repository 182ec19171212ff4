"""Plain DBOS as a process, with the connection settings of our own engine: what is left is what we add."""

from __future__ import annotations

from functools import partial

from .engine_load import main
from .engine_plain import measure

if __name__ == "__main__":
    main(partial(measure, tuned=True))
