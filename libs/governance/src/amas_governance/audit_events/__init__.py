"""The registry of audit events: each type's JSON Schema, and which parts of its data are somebody's and stand apart."""

from .contents import Said, joined, split
from .registry import EventType, event_type, event_types, misfit, misfit_as_sent

__all__ = ["EventType", "Said", "event_type", "event_types", "joined", "misfit", "misfit_as_sent", "split"]
