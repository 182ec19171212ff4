"""From pydantic's JSON Schema to a structural OpenAPI v3 schema, which is all that a definition may hold.

Kubernetes, "Specifying a structural schema": no references, one type at each place, no `const`, and either `properties`
or `additionalProperties`. What has no such form is an error here and never left out in silence: a definition that lost
a condition would let through what the models refuse.

Defaults are left out: a resource means what the models say when it is read, on a laptop as in a cluster, and an API
server that wrote defaults into it would freeze those of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance.admission import OPEN, RULES, Rule

MAX_DEPTH = 32
"""Nesting of a schema; the models have less than half of it, so more means that they refer to themselves."""

_DROPPED = frozenset({"title", "default", "$defs"})
_KEPT = frozenset(
    {"type", "description", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems"}
    | {"maxItems", "minProperties", "maxProperties", "required", "not", RULES, OPEN, "x-kubernetes-int-or-string"}
    | {"x-kubernetes-list-type"}
)
# Pydantic names the bound of a list or mapping by length where a validator stands before it.
_BOUNDS = {
    "array": {"maxLength": "maxItems", "minLength": "minItems"},
    "object": {"maxLength": "maxProperties", "minLength": "minProperties"},
}


class NotStructural(ValueError):  # noqa: N818 - says what happened
    """A JSON Schema that has no structural form."""


def structural(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The structural form of a schema; references are looked up in `root`. Raises NotStructural."""
    if depth > MAX_DEPTH:
        raise NotStructural(f"nested deeper than {MAX_DEPTH} levels: does a model refer to itself?")
    schema = _merged(schema, root)
    result = {key: value for key, value in schema.items() if key in _KEPT}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    left = schema.keys() - _KEPT - _DROPPED
    _refuse_unknown(left, schema)
    if "const" in left:
        result["enum"] = [schema["const"]]
    if "anyOf" in left:
        # Of several types there is no structural form: any value is admitted, and the models decide.
        result[OPEN] = True
    elif schema.get("type") == "array":
        result["items"] = structural(schema["items"], root, depth + 1)
    elif "properties" in left:
        result["properties"] = {
            name: structural(inner, root, depth + 1) for name, inner in schema["properties"].items()
        }
    elif "patternProperties" in left:
        ((names, inner),) = schema["patternProperties"].items()
        result["additionalProperties"] = structural(inner, root, depth + 1)
        result[RULES] = [*result.get(RULES, []), _names_match(names, schema.get("propertyNames", {})).to_schema()]
    elif isinstance(schema.get("additionalProperties"), Mapping):
        result["additionalProperties"] = structural(schema["additionalProperties"], root, depth + 1)
    elif schema.get("additionalProperties") is True or not (result.keys() - {"description", RULES}):
        result[OPEN] = True
    for name, instead in _BOUNDS.get(str(result.get("type")), {}).items():
        if name in result:
            result[instead] = result.pop(name)
    return result


def _names_match(names: str, bounds: Mapping[str, Any]) -> Rule:
    """The rule for the names of a mapping, which a definition cannot bound otherwise."""
    if bounds.keys() - {"maxLength"}:
        raise NotStructural(f"no rule for names with {', '.join(sorted(bounds))}")
    longest = f"name.size() <= {bounds['maxLength']} && " if bounds else ""
    return Rule(f"self.all(name, {longest}name.matches(r'{names}'))", f"expected names that match {names}")


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with what it refers to, and without the alternative of being absent."""
    found = dict(schema)
    while "$ref" in found or "anyOf" in found or "allOf" in found:
        if "$ref" in found:
            inner = root["$defs"][found.pop("$ref").removeprefix("#/$defs/")]
        elif "allOf" in found and len(found["allOf"]) == 1:
            inner = found.pop("allOf")[0]
        elif "anyOf" in found:
            present = [part for part in found["anyOf"] if part.get("type") != "null"]
            if len(present) != 1:
                return found
            del found["anyOf"]
            inner = present[0]
        else:
            raise NotStructural("allOf of several schemas")
        both = [*inner.get(RULES, []), *found.get(RULES, [])]
        # What is said at the place of use goes before what is said of the type.
        found = {**inner, **found, **({RULES: both} if both else {})}
    return found


def _refuse_unknown(left: set[str], schema: Mapping[str, Any]) -> None:
    unknown = left - {"const", "anyOf", "items", "properties", "patternProperties", "additionalProperties"}
    if "patternProperties" in left:
        unknown -= {"propertyNames"}
    if unknown:
        raise NotStructural(f"no structural form of {', '.join(sorted(unknown))}")
    if len(schema.get("patternProperties", [1])) != 1:
        raise NotStructural("a mapping with several kinds of names")
    if schema.get("type") == "array" and "maxItems" not in schema and "maxLength" not in schema:
        raise NotStructural("a list without a bound")
