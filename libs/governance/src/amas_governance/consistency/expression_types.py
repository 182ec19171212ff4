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
    spec = orchestration.spec
    outputs = {step.name: _output_schema(step, catalog) for step in spec.steps}
    environment = TypeEnvironment(spec.input.schema_, outputs)
    for index, step in enumerate(spec.steps):
        path: FieldPath = ("spec", "steps", index)
        for field, value, wanted in (("when", step.when, "boolean"), ("forEach", step.for_each, "array")):
            if isinstance(value, str):
                problem = check_expects(value, wanted, environment)
                if problem:
                    report.add(orchestration, (*path, field), problem)
        if isinstance(step.for_each, list):
            _report(orchestration, (*path, "forEach"), step.for_each, environment, report)
        inner = environment
        if step.for_each is not None:
            item = _item_schema(step.for_each, environment)
            inner = TypeEnvironment(spec.input.schema_, outputs, item_schema=item)
        _check_with(orchestration, step, path, inner, catalog, report)
    _report(orchestration, ("spec", "output"), spec.output, environment, report)


def _check_with(
    orchestration: Orchestration,
    step: Step,
    path: FieldPath,
    environment: TypeEnvironment,
    catalog: Catalog,
    report: Report,
) -> None:
    role = catalog.roles.get(step.role)
    schema: Mapping[str, Any] = role.spec.input.schema_ if role else ANY_SCHEMA
    required = schema.get("required") or ()
    for name in required:
        if name not in step.with_:
            report.add(orchestration, (*path, "with"), f"the role {step.role} requires the input {name}")
    properties = schema.get("properties") or {}
    closed = bool(properties) and schema.get("additionalProperties", False) is False
    for name, value in step.with_.items():
        place = (*path, "with", name)
        if closed and name not in properties:
            report.add(orchestration, place, unknown(f"input of the role {step.role}", name, properties))
        before = len(report.problems)
        _report(orchestration, place, value, environment, report)
        if len(report.problems) == before:
            problem = _mismatch(value, properties.get(name, ANY_SCHEMA), environment, required=name in required)
            if problem:
                report.add(orchestration, place, problem)


def _mismatch(value: Any, target: Any, environment: TypeEnvironment, *, required: bool) -> str | None:
    expression = whole(value) if isinstance(value, str) else None
    if expression is not None:
        return environment.mismatch(expression.source, target, required=required)
    try:
        is_literal = not _has_expressions(value)
        found = json_schemas.findings(target, value) if is_literal and isinstance(target, Mapping) else []
    except json_schemas.SchemaRefused:
        return None  # a part of a schema that refers to the rest of it: checked at run time
    return f"the role does not accept this value: {found[0][1]}" if found else None


def _has_expressions(value: Any) -> bool:
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, Mapping):
        return any(_has_expressions(child) for child in value.values())
    return isinstance(value, list) and any(_has_expressions(child) for child in value)


def _report(
    orchestration: Orchestration, path: FieldPath, value: Any, environment: TypeEnvironment, report: Report
) -> None:
    for inner, message in check_types(value, environment):
        report.add(orchestration, (*path, *inner), message)


def _output_schema(step: Step, catalog: Catalog) -> Any:
    role = catalog.roles.get(step.role)
    schema = role.spec.output.schema_ if role else ANY_SCHEMA
    return {"type": "array", "items": schema} if step.for_each is not None else schema


def _item_schema(for_each: Any, environment: TypeEnvironment) -> Any:
    try:
        expression = whole(for_each) if isinstance(for_each, str) else None
        schema = environment.schema_of(expression.source) if expression else None
    except ExpressionError:
        return ANY_SCHEMA  # reported for forEach itself
    return (schema.get("items") or ANY_SCHEMA) if isinstance(schema, Mapping) else ANY_SCHEMA
