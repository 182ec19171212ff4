"""Counts open streams, so that neither one principal nor all together can hold more than the gateway can carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from amas_gateway.domain.errors import too_many_streams
from amas_gateway.domain.model import Principal
from amas_gateway.telemetry import Instruments

MAX_STREAMS = 1000
MAX_STREAMS_PER_PRINCIPAL = 32


class HoldStream:
    """Raises RESOURCE_EXHAUSTED (STREAMS_EXHAUSTED) over either bound."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._open: Counter[tuple[str, str, str]] = Counter()

    @contextmanager
    def __call__(self, principal: Principal) -> Iterator[None]:
        """Holds one stream while the context is open."""
        key = (principal.tenant, principal.issuer, principal.subject)
        if self._open[key] >= MAX_STREAMS_PER_PRINCIPAL or self._open.total() >= MAX_STREAMS:
            raise too_many_streams()
        self._open[key] += 1
        self._instruments.streams.inc()
        try:
            yield
        finally:
            self._instruments.streams.dec()
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
