"""Expressions of an orchestration against the schemas of its input and of its roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance import json_schemas
from amas_governance.expressions import (
    ANY_SCHEMA,
    ExpressionError,
    TypeEnvironment,
    check_expects,
    check_types,
    whole,
)
from amas_governance.problems import FieldPath
from amas_governance.resources import Orchestration, Step

from .catalog import Catalog, unknown
from .report import Report


def check_expressions(orchestration: Orchestration, catalog: Catalog, report: Report) -> None:
    """`with`, `when` and `forEach` of each step, and the output."""
    _Checker(orchestration, catalog, report).check()


class _Checker:
    def __init__(self, orchestration: Orchestration, catalog: Catalog, report: Report) -> None:
        self._orchestration = orchestration
        self._catalog = catalog
        self._report = report
        self._input = orchestration.spec.input.schema_
        self._outputs = {step.name: self._output_schema(step) for step in orchestration.spec.steps}

    def check(self) -> None:
        environment = TypeEnvironment(self._input, self._outputs)
        for index, step in enumerate(self._orchestration.spec.steps):
            path: FieldPath = ("spec", "steps", index)
            self._check_expects((*path, "when"), step.when, "boolean", environment)
            self._check_expects((*path, "forEach"), step.for_each, "array", environment)
            inner = environment
            if step.for_each is not None:
                item = _item_schema(step.for_each, environment)
                inner = TypeEnvironment(self._input, self._outputs, item_schema=item)
            self._check_with(step, path, inner)
        self._check_types(("spec", "output"), self._orchestration.spec.output, environment)

    def _check_expects(self, path: FieldPath, value: Any, wanted: str, environment: TypeEnvironment) -> None:
        if isinstance(value, str):
            problem = check_expects(value, wanted, environment)
            if problem:
                self._add(path, problem)
        else:
            self._check_types(path, value, environment)

    def _check_with(self, step: Step, path: FieldPath, environment: TypeEnvironment) -> None:
        role = self._catalog.roles.get(step.role)
        schema: Mapping[str, Any] = role.spec.input.schema_ if role else ANY_SCHEMA
        required = schema.get("required") or ()
        properties = schema.get("properties") or {}
        closed = bool(properties) and schema.get("additionalProperties", False) is False
        for name in required:
            if name not in step.with_:
                self._add((*path, "with"), f"the role {step.role} requires the input {name}")
        for name, value in step.with_.items():
            place = (*path, "with", name)
            if closed and name not in properties:
                self._add(place, unknown(f"input of the role {step.role}", name, properties))
            if not self._check_types(place, value, environment):
                continue
            target = properties.get(name, ANY_SCHEMA)
            problem = _mismatch(value, target, environment, required=name in required)
            if problem:
                self._add(place, problem)

    def _check_types(self, path: FieldPath, value: Any, environment: TypeEnvironment) -> bool:
        problems = check_types(value, environment)
        for inner, message in problems:
            self._add((*path, *inner), message)
        return not problems

    def _output_schema(self, step: Step) -> Any:
        role = self._catalog.roles.get(step.role)
        schema = role.spec.output.schema_ if role else ANY_SCHEMA
        return {"type": "array", "items": schema} if step.for_each is not None else schema

    def _add(self, path: FieldPath, message: str) -> None:
        self._report.add(self._orchestration, path, message)


def _mismatch(value: Any, target: Any, environment: TypeEnvironment, *, required: bool) -> str | None:
    expression = whole(value) if isinstance(value, str) else None
    if expression is not None:
        return environment.mismatch(expression.source, target, required=required)
    if _has_expressions(value) or not isinstance(target, Mapping):
        return None
    try:
        found = json_schemas.findings(target, value)
    except json_schemas.SchemaRefused:
        return None  # a part of a schema that refers to the rest of it: checked at run time
    return f"the role does not accept this value: {found[0][1]}" if found else None


def _has_expressions(value: Any) -> bool:
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, Mapping):
        return any(_has_expressions(child) for child in value.values())
    return isinstance(value, list) and any(_has_expressions(child) for child in value)


def _item_schema(for_each: Any, environment: TypeEnvironment) -> Any:
    try:
        expression = whole(for_each) if isinstance(for_each, str) else None
        schema = environment.schema_of(expression.source) if expression else None
    except ExpressionError:
        return ANY_SCHEMA  # reported for forEach itself
    return (schema.get("items") or ANY_SCHEMA) if isinstance(schema, Mapping) else ANY_SCHEMA
