"""The table of the proofs, and the same as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PASSED, FAILED, CUT_OFF = "passed", "FAILED", "cut off"
"""Cut off: interrupted from outside, so that nothing is said about what it was to show."""


@dataclass
class Proof:
    """One line: what was to be shown, whether it was, and the numbers."""

    name: str
    promise: str
    result: str = FAILED
    seconds: float = 0.0
    numbers: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def note(self, **numbers: Any) -> None:
        """Adds numbers, and tells them at once."""
        self.numbers |= numbers
        for name, value in numbers.items():
            print(f"  {name}: {value}", flush=True)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Notes how many seconds its body took."""
        began = time.monotonic()
        yield
        self.note(**{name: round(time.monotonic() - began, 1)})


class Summary:
    """All proofs of one session."""

    def __init__(self) -> None:
        self.proofs: list[Proof] = []

    @contextmanager
    def proof(self, name: str, promise: str) -> Iterator[Proof]:
        """A proof that passes if its body ends without an error."""
        proof = Proof(name, promise)
        self.proofs.append(proof)
        print(f"\n== {name}: {promise}", flush=True)
        began = time.monotonic()
        try:
            yield proof
            proof.result = PASSED
        except BaseException as error:
            proof.error = f"{type(error).__name__}: {error}"[:2000]
            if isinstance(error, KeyboardInterrupt):
                proof.result = CUT_OFF
            raise
        finally:
            proof.seconds = round(time.monotonic() - began, 1)

    def table(self) -> str:
        """Proof, result, time, numbers."""
        lines = [f"{'proof':<28} {'result':<7} {'time':>8}  numbers"]
        for proof in self.proofs:
            told = "; ".join(f"{name} {value}" for name, value in proof.numbers.items() if not isinstance(value, dict))
            said = told or proof.error.splitlines()[0][:100] if told or proof.error else ""
            lines.append(f"{proof.name:<28} {proof.result:<7} {proof.seconds:>6.0f} s  {said}")
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """The same as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"proofs": [asdict(proof) for proof in self.proofs]}, indent=2) + "\n")
