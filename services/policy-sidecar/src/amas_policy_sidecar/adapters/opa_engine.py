"""The policy engine of a cluster: a real Open Policy Agent over its REST API, on localhost beside this process.

Several bundles are live at once, so each set of policies lives under a package prefix of its own, named by its digest.
Source: Open Policy Agent documentation, "REST API" (Policy API, Data API, Health API).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import aiohttp
from amas_governance.bundle import PolicySet

from amas_policy_sidecar.adapters.engine_faults import unavailable

# A decision takes about a millisecond; an engine that needs longer than this is a denial.
DECIDE_TIMEOUT_S = 1.0
LOAD_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
MAX_BUNDLES = 64

_PACKAGE = re.compile(r"^package amas\b", re.MULTILINE)
_REFERENCE = re.compile(r"\bdata\.amas\b")


def prefixed(source: str, prefix: str) -> str:
    """Moves a module of `data.amas` below `data.<prefix>.amas`, its references too."""
    return _REFERENCE.sub(f"data.{prefix}.amas", _PACKAGE.sub(f"package {prefix}.amas", source))


class OpaEngine:
    """Decides by asking an OPA, which it fills with each bundle's policies."""

    def __init__(self, url: str) -> None:
        """Names the OPA, such as `http://127.0.0.1:8181`; nothing is sent yet."""
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._bundles: OrderedDict[str, PolicySet] = OrderedDict()

    async def load(self, bundle: str, policies: PolicySet) -> None:
        """Puts a bundle's policies into OPA; the same again changes nothing.

        Raises:
            AmasError: UNAVAILABLE, OPA is away or refuses them.
        """
        if bundle in self._bundles:
            self._bundles.move_to_end(bundle)
            return
        await self._put(policies)
        self._bundles[bundle] = policies
        while len(self._bundles) > MAX_BUNDLES:
            _, dropped = self._bundles.popitem(last=False)
            if dropped not in self._bundles.values():
                await self._delete(dropped)

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Asks for `amas.main.decision` for an input under a bundle.

        Raises:
            AmasError: UNAVAILABLE, the bundle was not loaded, OPA is away, too slow, or answers no object.
        """
        policies = self._bundles.get(bundle)
        if policies is None:
            raise unavailable("the bundle's policies were not loaded")
        answer = await self._ask(policies, document)
        if "result" not in answer:
            # An OPA that was restarted has lost what we put into it: put it again, once.
            await self._put(policies)
            answer = await self._ask(policies, document)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise unavailable("it answered no decision")
        return result

    async def check(self) -> None:
        """Raises AmasError UNAVAILABLE when OPA's health endpoint does not answer 200."""
        await self._request("GET", "/health", limit=DECIDE_TIMEOUT_S)

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, policies: PolicySet, document: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/v1/data/{prefix_of(policies)}/amas/main/decision"
        body = json.dumps({"input": document}, allow_nan=False).encode()
        answer = await self._request("POST", path, body=body, kind="application/json", limit=DECIDE_TIMEOUT_S)
        try:
            parsed = json.loads(answer)
        except ValueError as error:
            raise unavailable("it answered no JSON") from error
        if not isinstance(parsed, dict):
            raise unavailable("it answered no object")
        return parsed

    async def _put(self, policies: PolicySet) -> None:
        prefix = prefix_of(policies)
        for name, source in in_order_of_imports(policies.modules):
            body = prefixed(source, prefix).encode()
            path = f"/v1/policies/{prefix}/{name}"
            await self._request("PUT", path, body=body, kind="text/plain", limit=LOAD_TIMEOUT_S)

    async def _delete(self, policies: PolicySet) -> None:
        prefix = prefix_of(policies)
        for name, _ in reversed(in_order_of_imports(policies.modules)):
            await self._request("DELETE", f"/v1/policies/{prefix}/{name}", limit=LOAD_TIMEOUT_S)

    async def _request(
        self, method: str, path: str, *, body: bytes | None = None, kind: str | None = None, limit: float
    ) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {"Content-Type": kind} if kind else {}
        try:
            async with self._session.request(
                method, self._url + path, data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=limit)
            ) as response:
                answer = await response.content.read(MAX_ANSWER_BYTES + 1)
                if response.status >= 300:
                    raise unavailable(f"OPA answered {response.status}")
                while len(answer) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    answer += more
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unavailable(f"OPA did not answer ({type(error).__name__})") from error
        if len(answer) > MAX_ANSWER_BYTES:
            raise unavailable("OPA's answer is too large")
        return answer


def prefix_of(policies: PolicySet) -> str:
    """Package prefix of a set of policies: its digest, so that equal sets share one."""
    digest = hashlib.sha256()
    for name in sorted(policies.modules):
        digest.update(f"{name}\0{policies.modules[name]}\0".encode())
    return f"b{digest.hexdigest()[:32]}"


def in_order_of_imports(modules: Mapping[str, str]) -> list[tuple[str, str]]:
    """Orders modules so that each comes after what it refers to: OPA compiles on each PUT."""
    packages = {
        name: found.group(1)
        for name, source in modules.items()
        if (found := re.search(r"^package (\S+)", source, re.M))
    }
    ordered: list[tuple[str, str]] = []
    waiting = dict(sorted(modules.items()))
    while waiting:
        ready = [
            name
            for name, source in waiting.items()
            if not any(f"data.{packages[other]}" in source for other in waiting if other != name and other in packages)
        ]
        # Modules that refer to one another in a circle go together, and OPA says what is wrong with them.
        for name in ready or list(waiting):
            ordered.append((name, waiting.pop(name)))
    return ordered
