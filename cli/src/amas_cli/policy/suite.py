"""Everything that policies are tested by: OPA's own tests, their coverage, and the cases beside each policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .cases import Case, read_cases
from .checks import check_sources
from .evaluation import Answer, decide
from .findings import Finding
from .opa import OpaRefusedError, run_opa
from .recorded import codes_of
from .sources import Sources


@dataclass
class Tested:
    """How it went, and over how much."""

    findings: list[Finding] = field(default_factory=list)
    tests: int = 0
    cases: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {
            "passed": not self.findings,
            "tests": self.tests,
            "cases": self.cases,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def run_suite(sources: Sources) -> Tested:
    """Runs it all; modules that do not compile end it. CliError for cases that cannot be read."""
    tested = Tested(findings=check_sources(sources))
    if any(finding.check != "format" for finding in tested.findings):
        return tested
    cases = list(read_cases(sources.folder))
    tested.cases = len(cases)
    try:
        _run_tests(sources, tested)
        answers = decide(sources, [case.document for case in cases])
    except OpaRefusedError as error:
        tested.findings += [Finding("compile", str(sources.folder), line) for line in error.errors]
        return tested
    for case, answer in zip(cases, answers, strict=True):
        tested.findings += _held(case, answer)
    if not cases:
        tested.findings.append(Finding("case", str(sources.folder), "there is no cases.yaml"))
    return tested


def _run_tests(sources: Sources, tested: Tested) -> None:
    results = _answer("test", "--format", "json", *sources.modules) or []
    tested.tests = len(results)
    for result in results:
        if result.get("fail") or result.get("error") or result.get("skip"):
            place = f"{result['location']['file']}:{result['location']['row']}"
            state = "is skipped" if result.get("skip") else "fails"
            tested.findings.append(Finding("test", place, f"{result['name']} {state}"))
    # OPA reports coverage only where all tests pass.
    if not any(finding.check == "test" for finding in tested.findings):
        tested.findings += _uncovered(sources)


def _uncovered(sources: Sources) -> list[Finding]:
    report = _answer("test", "--coverage", "--format", "json", *sources.modules) or {}
    covered = report.get("files") or {}
    findings = []
    for path in map(str, sources.policies):
        if path not in covered:
            findings.append(Finding("coverage", path, "no test reaches it"))
        for missed in covered.get(path, {}).get("not_covered") or []:
            findings.append(Finding("coverage", f"{path}:{missed['start']['row']}", "no test reaches this line"))
    return findings


def _answer(*arguments: Any) -> Any:
    """The report of `opa test`, which also fails with one."""
    done = run_opa(*arguments)
    try:
        return json.loads(done.stdout) if done.stdout.strip() else None
    except ValueError as error:
        raise OpaRefusedError((done.stderr or done.stdout).strip().splitlines()) from error


def _held(case: Case, answer: Answer) -> Sequence[Finding]:
    """What is otherwise than the case says."""
    if answer.fault or not isinstance(answer.decision, dict):
        return [Finding("case", str(case), answer.fault or "the policies decide nothing")]
    effect, codes = str(answer.decision.get("effect")), codes_of(answer.decision)
    if codes is None:
        return [Finding("case", str(case), "the decision has no reasons of the agreed shape")]
    wrong = []
    if (effect, codes) != (case.effect, case.codes):
        wrong.append(f"expected {_shown(case.effect, case.codes)}, got {_shown(effect, codes)}")
    if case.approval is not None and answer.decision.get("approval") != case.approval:
        wrong.append(f"expected the approval {case.approval}, got {answer.decision.get('approval')}")
    return [Finding("case", str(case), message) for message in wrong]


def _shown(effect: str, codes: Sequence[str]) -> str:
    return f"{effect} {', '.join(codes)}"
