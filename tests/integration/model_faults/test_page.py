"""docs/model-faults.md and the tests have the same faults."""

from __future__ import annotations

from .faults_page import AROUND_A_CALL, OF_A_PROVIDER, STREAM, WHOLE, rows
from .provider_scripts import SCRIPTS
from .routes import ELSEWHERE
from .surroundings import DRIVERS


def test_the_page_has_each_fault_of_a_provider_and_no_other() -> None:
    """Nothing is told that no test holds, and nothing tested that is not told."""
    calls = {(fault, STREAM) for fault in (*SCRIPTS, *ELSEWHERE)}
    calls |= {(fault, WHOLE) for fault, _ in calls if not fault.endswith("after the first token")}
    assert sorted((row.fault, row.call) for row in rows(OF_A_PROVIDER)) == sorted(calls)


def test_the_page_has_each_fault_around_a_call_and_no_other() -> None:
    """The same; each is met by both kinds of call."""
    calls = sorted((fault, call) for fault in DRIVERS for call in (STREAM, WHOLE))
    assert sorted((row.fault, row.call) for row in rows(AROUND_A_CALL)) == calls
