"""The resources as custom resources of Kubernetes: their definitions, and the way from an object to a manifest."""

from .definition import GROUP, NAMES, VERSION, definition
from .reading import manifest_of
from .run_view import RUN_KIND, RUNS, run_definition

__all__ = ["GROUP", "NAMES", "RUNS", "RUN_KIND", "VERSION", "definition", "manifest_of", "run_definition"]
