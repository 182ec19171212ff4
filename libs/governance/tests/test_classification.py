"""classification: marks on fields and functions become labels, go into schemas, and hide secrets (invariant I6)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Annotated, Any

import pytest
from amas_governance.classification import (
    PCI,
    PHI,
    PII,
    SECRET,
    UNTRUSTED,
    Classification,
    SecretText,
    label_of,
)
from amas_governance.classified import ClearanceExceeded, Labelled, classified
from amas_governance.labels import CATEGORIES, Confidentiality, Integrity, Label, join_all
from amas_governance.schema_labels import schema_label, value_label
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

LABELS = st.builds(
    Label,
    st.sampled_from(list(Confidentiality)),
    st.frozensets(st.sampled_from(sorted(CATEGORIES - {"secret"}))),
    st.sampled_from(list(Integrity)),
)


class Address(BaseModel):
    """A nested model."""

    street: Annotated[str, PII()]
    country: str = "DE"


class Customer(BaseModel):
    """What a tool may answer."""

    id: str
    mail: Annotated[str, PII()] | None = None
    note: Annotated[str, UNTRUSTED] = ""
    diagnoses: list[Annotated[str, PHI()]] = []
    cards: dict[str, Annotated[str, PCI()]] = {}
    home: Address | None = None
    token: Annotated[str, SECRET()] | None = None


def of(**fields: Any) -> Label:
    """The label of a customer with these fields, without the note that every customer has."""
    label = label_of(Customer(id="c-1", **fields))
    return Label(label.confidentiality, label.categories)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Label()),
        ({"mail": "a@acme.test"}, PII().label),
        ({"diagnoses": ["flu"]}, PHI().label),
        ({"diagnoses": []}, Label()),
        ({"cards": {"main": "4111"}}, PCI().label),
        ({"home": Address(street="Way 1")}, PII().label),
        ({"token": "t-1"}, SECRET().label),
        ({"mail": "a@acme.test", "diagnoses": ["flu"]}, PII().label.join(PHI().label)),
    ],
)
def test_a_models_label_is_the_join_of_the_marks_of_what_is_there(fields: dict[str, Any], expected: Label) -> None:
    """I6: marks count wherever they stand: in a list, a mapping, an optional field, a model inside."""
    assert of(**fields) == expected


def test_untrusted_is_a_mark_too() -> None:
    """What somebody outside wrote taints, whoever hands it over."""
    assert label_of(Customer(id="c-1", note="buy now")).integrity is Integrity.UNTRUSTED


def test_a_mark_may_say_its_confidentiality() -> None:
    """The usual confidentiality of a category can be raised or lowered where data is declared."""
    assert PII(Confidentiality.RESTRICTED).label.confidentiality is Confidentiality.RESTRICTED
    assert PII().label.confidentiality is Confidentiality.CONFIDENTIAL


def test_a_marked_class_marks_all_of_it() -> None:
    """A decorator on a class counts for each instance, also of a subclass and inside another model."""

    @classified(PHI())
    class Record(BaseModel):
        text: str

    @classified(PII())
    class Named(Record):
        name: str

    class Folder(BaseModel):
        records: list[Record]

    assert label_of(Record(text="x")) == PHI().label
    assert label_of(Named(text="x", name="y")) == PHI().label.join(PII().label)
    assert label_of(Folder(records=[Record(text="x")])) == PHI().label
    assert label_of(Folder(records=[])) == Label()
    assert schema_label(Folder.model_json_schema()) == PHI().label
    assert value_label(Folder.model_json_schema(), {"records": []}) == Label()
    assert value_label(Folder.model_json_schema(), {"records": [{"text": "x"}]}) == PHI().label


def test_a_dataclass_is_read_by_its_annotations() -> None:
    """What is no pydantic model is not silently public."""

    @dataclasses.dataclass
    class Plain:
        name: str

    Plain.__annotations__["name"] = Annotated[str, PII()]
    assert label_of(Plain("x")) == PII().label


def test_a_secret_never_shows_in_a_repr() -> None:
    """I7: neither a model's repr nor a traceback's shows a text that is marked secret; its user still gets it."""
    customer = Customer(id="c-1", token="s3cr3t")
    assert "s3cr3t" not in repr(customer)
    assert "s3cr3t" not in str(customer)
    assert "s3cr3t" not in repr(customer.model_dump())
    assert isinstance(customer.token, SecretText)
    assert customer.token == "s3cr3t"
    assert json.loads(customer.model_dump_json())["token"] == "s3cr3t"


def test_a_secret_that_cannot_be_hidden_is_refused() -> None:
    """A mark that would not hide what it marks is an error where it is declared."""
    with pytest.raises(TypeError, match="SECRET marks a text"):
        create_model("Bad", key=(Annotated[bytes, SECRET()], ...))


def test_the_schema_says_what_the_code_says() -> None:
    """The keyword in an exported schema gives the same label as the marks, field by field."""
    schema = Customer.model_json_schema()
    assert schema["properties"]["note"]["x-amas-classification"]["integrity"] == "untrusted"
    for fields in ({}, {"mail": "a@acme.test"}, {"home": {"street": "Way 1"}}, {"cards": {"a": "4111"}}):
        customer = Customer.model_validate({"id": "c-1", **fields})
        assert value_label(schema, customer.model_dump(mode="json", exclude_none=True)) == label_of(customer)


@given(st.lists(LABELS, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_code_and_schema_agree_for_any_marks(labels: list[Label], present: list[bool]) -> None:
    """I6: for any marks on any fields, the label by code, by schema and by join are one."""
    fields: dict[str, Any] = {
        f"f{index}": (Annotated[str, Classification(label)] | None, None) for index, label in enumerate(labels)
    }
    model = create_model("Made", **fields)
    given_fields = {f"f{index}": "x" for index in range(len(labels)) if present[index]}
    wanted = join_all(label for index, label in enumerate(labels) if present[index])
    assert label_of(model(**given_fields)) == wanted
    assert value_label(model.model_json_schema(), given_fields) == wanted


class TestFunctions:
    """`@classified` on functions."""

    def test_a_result_carries_the_function_its_arguments_and_its_own_marks(self) -> None:
        """I6: a label goes through Python code as it goes through a run, and never sinks."""

        @classified(PII())
        def find(name: str) -> str:
            return name + "@acme.test"

        @classified()
        def shout(text: str) -> Annotated[str, PHI()]:
            return text.upper()

        found = find("ann")
        assert found == Labelled("ann@acme.test", PII().label)
        assert shout(found) == Labelled("ANN@ACME.TEST", PII().label.join(PHI().label))

    def test_an_argument_above_the_clearance_is_refused_before_the_call(self) -> None:
        """A function that is cleared for less never sees it, however it is handed over."""
        seen: list[Any] = []

        @classified(clearance=Confidentiality.INTERNAL)
        def log(*parts: Any, **more: Any) -> None:
            seen.append((parts, more))

        person = Customer(id="c-1", mail="a@acme.test")
        for call in (lambda: log(person), lambda: log("x", Labelled("y", PII().label)), lambda: log(who=[person])):
            with pytest.raises(ClearanceExceeded) as refused:
                call()
            assert "a@acme.test" not in str(refused.value)
        assert seen == []
        log("x", Labelled("y", Label(Confidentiality.INTERNAL)), a=1)
        assert seen == [(("x", "y"), {"a": 1})]

    def test_a_clearance_with_categories_lets_them_through(self) -> None:
        """Clearance names what may be seen, as a role's does."""

        @classified(clearance=Confidentiality.CONFIDENTIAL, categories=["pii"])
        def mail(person: Customer) -> str:
            return person.mail or ""

        assert mail(Customer(id="c-1", mail="a@acme.test")).value == "a@acme.test"
        with pytest.raises(ClearanceExceeded):
            mail(Customer(id="c-1", diagnoses=["flu"]))

    def test_an_annotation_of_an_argument_counts(self) -> None:
        """A plain text is as high as the parameter says that it is."""

        @classified()
        def count(text: Annotated[str, PHI()]) -> int:
            return len(text)

        assert count("flu").label == PHI().label

    def test_coroutines_and_methods_work_alike(self) -> None:
        """The decorator changes no way of calling."""

        class Service:
            @classified(PII())
            async def find(self, name: str) -> str:
                return name

        assert asyncio.run(Service().find("ann")) == Labelled("ann", PII().label)

    def test_what_has_no_one_label_is_refused(self) -> None:
        """A generator or a plain class cannot be marked, and says so."""
        with pytest.raises(TypeError, match="generator"):

            @classified(PII())
            def many() -> Any:
                yield 1

        with pytest.raises(TypeError, match="pydantic model"):

            @classified(PII())
            class Plain:
                pass

    def test_a_labelled_value_does_not_show_itself(self) -> None:
        """The label is for logs, the value is not."""
        assert "ann" not in repr(Labelled("ann", PII().label))
