"""Holds what charts give to containers against what will read it: settings classes, and the witness's command line.

A misspelt variable is silently another default; here it is a complaint. A value that a service would refuse at its
start is one too.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterator
from contextlib import redirect_stderr
from typing import Any
from unittest.mock import patch

from amas_chassis.settings import EnvironmentSettings, SettingsError
from amas_operator.settings import OperatorSettings
from amas_policy_sidecar.settings import Settings as SidecarSettings
from amas_witness.__main__ import parser as witness_parser

from scripts.generate_charts import SERVICES

ALL: list[type[EnvironmentSettings]] = [*SERVICES.values(), SidecarSettings, OperatorSettings]
CLASSES = {str(settings.model_config["env_prefix"]): settings for settings in ALL}


def complaints(documents: list[dict[str, Any]]) -> list[str]:
    """What programs would have against their environment and arguments, for all containers of a release."""
    found = []
    for place, container in _containers(documents):
        if container["name"] == "witness":
            found += [f"{place}: {problem}" for problem in _misread(witness_parser(), container["args"])]
        environment = {item["name"]: item["value"] for item in container.get("env", []) if "value" in item}
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


def _misread(parser: argparse.ArgumentParser, arguments: list[str]) -> Iterator[str]:
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            parser.parse_args(arguments)
    except SystemExit:
        yield told.getvalue().splitlines()[-1]


def _containers(documents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents:
        # Of a workload or a CronJob.
        job = document.get("spec", {}).get("jobTemplate", document)
        spec = job.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
            place = f"{document['kind']} {document['metadata']['name']}, container {container['name']}"
            yield place, container
