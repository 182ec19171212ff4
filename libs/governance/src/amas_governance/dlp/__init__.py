"""Finds personal data, card data and secrets in texts, and takes them out.

Patterns run on hyperscan (linear time); what has a checksum is verified, so that a hash is not taken for a card.
"""

from .detectors import DETECTORS, Detector
from .scanning import Finding, ScanRefused, redact, scan
from .streaming import StreamRedactor, prepare

__all__ = ["DETECTORS", "Detector", "Finding", "ScanRefused", "StreamRedactor", "prepare", "redact", "scan"]
