"""The resources as custom resources of Kubernetes: their definitions, and the way from an object to a manifest."""

from .definition import GROUP, NAMES, VERSION, definition
from .reading import manifest_of

__all__ = ["GROUP", "NAMES", "VERSION", "definition", "manifest_of"]
