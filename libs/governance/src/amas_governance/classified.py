"""`@classified`: what a function's result is, and what it may be handed. Labels go through code as through a run.

The result of a classified function is `Labelled`: its value with the join of what the function says of itself, what its
arguments carried and what the value's own marks say. Handing that to the next classified function keeps the label.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from pydantic import BaseModel

from .classification import Classification, label_of, mark_model
from .labels import Confidentiality, Label, join_all

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


class ClearanceExceeded(PermissionError):  # noqa: N818 - says what happened
    """An argument carries more than the function may see; the message names the argument and never its value."""


@dataclass(frozen=True, repr=False)
class Labelled(Generic[_T]):
    """A value with its label. Its `repr` shows the label alone."""

    value: _T
    label: Label

    def __repr__(self) -> str:
        return f"Labelled({self.label.to_dict()})"


class classified:  # noqa: N801 - a decorator
    """Marks a function (or a pydantic model class); `clearance` and `categories` bound what its arguments may carry."""

    def __init__(
        self,
        *marks: Classification,
        clearance: Confidentiality | None = None,
        categories: Iterable[str] = (),
    ) -> None:
        self._label = join_all(mark.label for mark in marks)
        self._clearance = clearance
        self._categories = frozenset(categories)

    # A class and a coroutine function are callables too; the first signature that fits is the one that is meant.
    @overload
    def __call__(self, target: type[_M]) -> type[_M]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, target: Callable[..., Awaitable[_T]]
    ) -> Callable[..., Awaitable[Labelled[_T]]]: ...

    @overload
    def __call__(self, target: Callable[..., _T]) -> Callable[..., Labelled[_T]]: ...

    def __call__(self, target: Any) -> Any:
        """The model class, marked; or a function that answers `Labelled`."""
        if isinstance(target, type):
            if not issubclass(target, BaseModel) or self._clearance is not None:
                raise TypeError("a class that is classified is a pydantic model, and has no clearance")
            return mark_model(target, self._label)
        if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
            raise TypeError("a generator cannot be classified: its values have no one label")
        call = _Call(target, self)
        if inspect.iscoroutinefunction(target):

            @functools.wraps(target)
            async def answer_later(*args: Any, **kwargs: Any) -> Labelled[Any]:
                bound, label = call.enter(args, kwargs)
                return call.leave(await target(*bound.args, **bound.kwargs), label)

            return answer_later

        @functools.wraps(target)
        def answer(*args: Any, **kwargs: Any) -> Labelled[Any]:
            bound, label = call.enter(args, kwargs)
            return call.leave(target(*bound.args, **bound.kwargs), label)

        return answer

    def check(self, name: str, label: Label) -> None:
        """Raises ClearanceExceeded if an argument carries more than the function may see."""
        if self._clearance is not None and not label.within(self._clearance, self._categories):
            raise ClearanceExceeded(f"the argument {name} is {_words(label)}, above what the function is cleared for")

    @property
    def label(self) -> Label:
        """What every result carries."""
        return self._label


class _Call:
    """What is known of a function before it is called: its signature, and the marks in its annotations."""

    def __init__(self, function: Callable[..., Any], rule: classified) -> None:
        self._signature = inspect.signature(function)
        self._hints = typing.get_type_hints(function, include_extras=True)
        self._rule = rule

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[inspect.BoundArguments, Label]:
        """The arguments without their labels, and the join of those."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        labels: list[Label] = []
        for name, value in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            many = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            label = join_all(_labels(value, self._hints.get(name), many=many))
            self._rule.check(name, label)
            labels.append(label)
            bound.arguments[name] = _plain(value, kind) if many else _value(value)
        return bound, join_all(labels)

    def leave(self, value: Any, label: Label) -> Labelled[Any]:
        """The result with its label; one that is labelled already keeps that too."""
        own = value.label if isinstance(value, Labelled) else Label.LOWEST
        plain = _value(value)
        return Labelled(plain, join_all([self._rule.label, label, own, label_of(plain, self._hints.get("return"))]))


def _labels(value: Any, annotation: Any, *, many: bool) -> Iterator[Label]:
    parts = (value.values() if isinstance(value, dict) else value) if many else (value,)
    for part in parts:
        if isinstance(part, Labelled):
            yield part.label
        yield label_of(_value(part), annotation)


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Labelled) else value


def _plain(value: Any, kind: Any) -> Any:
    if kind is inspect.Parameter.VAR_KEYWORD:
        return {name: _value(part) for name, part in value.items()}
    return tuple(_value(part) for part in value)


def _words(label: Label) -> str:
    return " ".join([label.confidentiality.label, *sorted(label.categories)])
