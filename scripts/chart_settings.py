"""Holds the environment that charts give to containers against the settings classes that will read it.

A misspelt variable is silently another default; here it is a complaint. A value that a service would refuse at its
start is one too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from amas_chassis.settings import EnvironmentSettings, SettingsError
from amas_operator.settings import OperatorSettings
from amas_policy_sidecar.settings import Settings as SidecarSettings

from scripts.generate_charts import SERVICES

ALL: list[type[EnvironmentSettings]] = [*SERVICES.values(), SidecarSettings, OperatorSettings]
CLASSES = {str(settings.model_config["env_prefix"]): settings for settings in ALL}


def complaints(documents: list[dict[str, Any]]) -> list[str]:
    """What services would have against their environment, for all containers of a release."""
    found = []
    for place, environment in _environments(documents):
        for prefix, settings in CLASSES.items():
            own = {name: value for name, value in environment.items() if name.startswith(prefix)}
            found += [f"{place}: {problem}" for problem in _problems(settings, prefix, own)] if own else []
    return found


def _problems(settings: type[EnvironmentSettings], prefix: str, own: dict[str, str]) -> Iterator[str]:
    known = {f"{prefix}{name.upper()}" for name in settings.model_fields}
    for name in sorted(own.keys() - known):
        yield f"no service reads {name}"
    with patch.dict(os.environ, own, clear=True):
        try:
            settings()
        except SettingsError as error:
            yield str(error)


def _environments(documents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    for document in documents:
        spec = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
            place = f"{document['kind']} {document['metadata']['name']}, container {container['name']}"
            yield place, {item["name"]: item["value"] for item in container.get("env", []) if "value" in item}
