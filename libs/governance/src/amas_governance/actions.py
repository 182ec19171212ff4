"""The identity of an action: what an approval is bound to, and what the record of a decision names.

The digest must cover everything that a human was shown, so that any change makes another action (invariant I3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .canonical import digest


def action_digest(*, tenant: str, run_id: str, step: str, role: str, tool: str, arguments: Mapping[str, Any]) -> str:
    """`sha256:<hex>` over the canonical JSON of one proposed tool call; raises JsonRefused for inexact numbers."""
    return digest(
        {
            "arguments": dict(arguments),
            "role": role,
            "run": run_id,
            "step": step,
            "tenant": tenant,
            "tool": tool,
        }
    )
