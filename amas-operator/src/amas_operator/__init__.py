"""Applies the custom resources of a namespace to the platform, and tells on each what came of it."""
