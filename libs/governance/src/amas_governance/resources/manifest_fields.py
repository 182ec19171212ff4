"""What all kinds of resource share: strict, frozen models with camelCase names, and metadata."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from amas_governance.admission import OPEN_OBJECT, RULES, AlsoInSchema, Rule, pattern
from amas_governance.attribute_docstrings import attribute_docstrings
from amas_governance.json_schemas import SchemaRefused, check_schema
from amas_governance.labels import Confidentiality, Integrity
from amas_governance.problems import FieldPath
from amas_governance.quantities import Amount
from amas_governance.schema_labels import check_marks

API_VERSION = "amas.dev/v1alpha1"
MAX_TEXT = 65_536
"""Characters of the longest text in a resource (instructions)."""
MAX_ITEMS = 256
"""Entries of the longest list or mapping in a resource."""
WITHIN = "within"
"""Type of an error whose place is inside the value that was checked; its context has `within`, the path there."""

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# https://semver.org: major.minor.patch, then pre-release and build parts.
_SEMVER = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?"
)
_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


class Model(BaseModel):
    """Base of every part of a resource: unknown fields are errors and values never change."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, strict=True, hide_input_in_errors=True
    )
    ADMISSION: ClassVar[tuple[Rule, ...]] = ()
    """What this model's validators check, as far as CEL can say it."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the rules, and to each field what its author wrote under it."""
        found = handler(core)
        schema = handler.resolve_ref_schema(found)
        if cls.ADMISSION:
            schema[RULES] = [rule.to_schema() for rule in cls.ADMISSION]
        for name, text in attribute_docstrings(cls).items():
            field = cls.model_fields.get(name)
            if field is not None:
                schema["properties"][field.alias or name].setdefault("description", text)
        return found

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves absent fields out. Not `exclude_none`, which would also drop nulls inside schemas and inputs."""
        dumped: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        absent = {
            key for name, field in fields.items() if getattr(self, name) is None for key in (name, field.alias or name)
        }
        return {key: value for key, value in dumped.items() if key not in absent}


def _dns_label(value: str) -> str:
    if _DNS_LABEL.fullmatch(value) is None:
        raise ValueError("expected a name of lower-case letters, digits and '-', at most 63 (DNS-1123 label)")
    return value


def _semver(value: str) -> str:
    if _SEMVER.fullmatch(value) is None:
        raise ValueError("expected a semantic version such as 1.2.0")
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if _LABEL_KEY.fullmatch(key) is None:
            raise ValueError(f"the label key {key[:80]!r} is not a Kubernetes label key")
        if _LABEL_VALUE.fullmatch(text) is None:
            raise ValueError(f"the value of the label {key[:80]!r} is not a Kubernetes label value")
    return value


def error_within(path: FieldPath, message: str) -> PydanticCustomError:
    """The error of a validator that knows which part of the value is wrong."""
    return PydanticCustomError(WITHIN, "{error}", {"error": message, "within": path})


def checked_schema(value: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, for use as a validator; raises an error with the place inside it unless it is usable."""
    try:
        check_schema(value)
        check_marks(value)
    except SchemaRefused as refused:
        raise error_within(refused.path, f"not a usable JSON Schema: {refused}") from refused
    return value


def _object_schema(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") != "object":
        raise ValueError("expected a schema of `type: object`")
    return value


def _confidentiality(value: Any) -> Any:
    """A level by its name alone: JSON would also take the number that the code counts with."""
    return value if isinstance(value, Confidentiality) else Confidentiality.parse(value)


def _integrity(value: Any) -> Any:
    return Integrity(value) if isinstance(value, str) and value in {"trusted", "untrusted"} else value


def _sorted_unique(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("an entry appears twice")
    return tuple(sorted(value))


Name = Annotated[str, AfterValidator(_dns_label), pattern(_DNS_LABEL.pattern, longest=63)]
Semver = Annotated[str, AfterValidator(_semver), pattern(_SEMVER.pattern.replace(r"\d", "[0-9]"), longest=160)]
Labels = Annotated[dict[str, str], AfterValidator(_labels), Field(max_length=64)]
ObjectSchema = Annotated[
    dict[str, Any],
    AfterValidator(_object_schema),
    AfterValidator(checked_schema),
    WithJsonSchema(
        {**OPEN_OBJECT, "required": ["type"], "properties": {"type": {"type": "string", "enum": ["object"]}}}
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Sentence = Annotated[str, Field(min_length=1, max_length=500)]
Category = Literal["pii", "phi", "pci", "secret"]
AS_SET = AlsoInSchema({"x-kubernetes-list-type": "set"})
"""Of a list whose order means nothing: no entry twice, and appliers of different fields may add theirs."""
Categories = Annotated[tuple[Category, ...], AfterValidator(_sorted_unique), Field(max_length=4), AS_SET]
ConfidentialityLevel = Annotated[
    Confidentiality,
    BeforeValidator(_confidentiality),
    PlainSerializer(lambda level: level.label, return_type=str),
    WithJsonSchema({"type": "string", "enum": [level.label for level in Confidentiality]}),
]
IntegrityLevel = Annotated[
    Integrity,
    BeforeValidator(_integrity),
    PlainSerializer(lambda level: level.value, return_type=str),
]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""Name of a file in a folder that the operator mounts; never a path."""


class Money(Model):
    """An amount with its currency (ISO 4217)."""

    amount: Amount
    currency: Currency

    def __str__(self) -> str:
        """`0.25 USD`."""
        return f"{self.amount.normalize():f} {self.currency}"


class Metadata(Model):
    """What a resource is called."""

    name: Name
    labels: Labels = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], Field(max_length=64)] = Field(default_factory=dict)


class Schema(Model):
    """A JSON Schema of an object: the shape of an input."""

    schema_: ObjectSchema = Field(alias="schema")


class Manifest(Model):
    """The outer form of every resource: apiVersion, kind, metadata; the kinds add their spec."""

    KIND: ClassVar[str]

    api_version: Literal["amas.dev/v1alpha1"]
    metadata: Metadata

    def to_manifest(self) -> dict[str, Any]:
        """Plain JSON with canonical values and every default written out, so that it means the same for ever."""
        return self.model_dump(mode="json", by_alias=True)
