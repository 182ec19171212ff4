"""Addresses and authentication of providers that speak the OpenAI API: OpenAI's own way, and Azure's two."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from yarl import URL

from amas_ai_router.domain.model import Operation, Target

# Addresses kept ready: one for each model, operation and version.
MAX_URLS = 1024
OPENAI = "openai"
AZURE = "azureOpenai"
APIS = frozenset({OPENAI, AZURE})

_PATHS = {Operation.CHAT: "/chat/completions", Operation.EMBEDDINGS: "/embeddings"}


def address(target: Target, operation: Operation) -> URL:
    """Where a target is asked."""
    if target.api == AZURE:
        return _azure(target.base_url, target.model, target.api_version, _PATHS[operation])
    return _openai(target.base_url, _PATHS[operation])


def authentication(target: Target, key: str) -> tuple[str, str]:
    """The header that carries a key."""
    return ("api-key", key) if target.api == AZURE else ("Authorization", f"Bearer {key}")


@lru_cache(maxsize=MAX_URLS)
def _openai(base: str, path: str) -> URL:
    return URL(base + path)


@lru_cache(maxsize=MAX_URLS)
def _azure(base: str, deployment: str, version: str, path: str) -> URL:
    """With a version the deployment is in the path; without one it is the v1 API, whose `model` is the deployment."""
    root = base.removesuffix("/v1").removesuffix("/openai")
    if not version:
        return URL(f"{root}/openai/v1{path}")
    deployments = f"{root}/openai/deployments/{quote(deployment, safe='')}"
    return URL(f"{deployments}{path}?api-version={quote(version, safe='')}", encoded=True)
