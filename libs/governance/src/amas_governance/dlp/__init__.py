"""Finds personal data, card data and secrets in texts, and takes them out.

Patterns run on hyperscan (linear time); what has a checksum is verified, so that a hash is not taken for a card.
"""

from .detector import Detector
from .detectors import DETECTORS
from .engine import ScanRefused
from .inspection import Sighting, inspect_text, inspect_value
from .replacing import replace_sightings
from .scanning import Finding, redact, scan, whole_engine
from .secrets import secrets_in, without_secrets
from .streaming import StreamRedactor, prepare

__all__ = [
    "DETECTORS",
    "Detector",
    "Finding",
    "ScanRefused",
    "Sighting",
    "StreamRedactor",
    "inspect_text",
    "inspect_value",
    "prepare",
    "redact",
    "replace_sightings",
    "scan",
    "secrets_in",
    "whole_engine",
    "without_secrets",
]
