"""The body of a checkpoint (C2SP tlog-checkpoint): origin, size and root of the tree, one a line."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from amas_audit.domain.merkle import HASH_SIZE


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of the tree of the log called `origin`."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """The checkpoint in a note's body; extension lines are let be. ValueError if it is none."""
        lines = body.split("\n")
        if len(lines) < 4 or lines[-1] or not lines[0]:
            raise ValueError("a checkpoint has an origin, a size and a root, each on its line")
        if not lines[1].isascii() or not lines[1].isdigit() or (lines[1] != "0" and lines[1].startswith("0")):
            raise ValueError("the size of a checkpoint is a decimal number without leading zeroes")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except binascii.Error as error:
            raise ValueError("the root of a checkpoint is base64") from error
        if len(root) != HASH_SIZE:
            raise ValueError(f"the root of a checkpoint has {HASH_SIZE} bytes")
        return cls(lines[0], int(lines[1]), root)
