"""Test material: changes a module of an image just after it was imported, so that a bad release is a thin layer."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType


class AfterImport(importlib.abc.MetaPathFinder):
    """Lets `change` see the module `name` once, when it has been loaded."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._change = change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's own specification, whose loader calls `change` at its end."""
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            raise ImportError(f"{fullname}, which this bad release changes, is not there")
        load = spec.loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            self._change(module)

        spec.loader.exec_module = loaded  # type: ignore[method-assign] # one loader of one module
        return spec


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Calls `change` with the module `name` once it is imported."""
    sys.meta_path.insert(0, AfterImport(name, change))
