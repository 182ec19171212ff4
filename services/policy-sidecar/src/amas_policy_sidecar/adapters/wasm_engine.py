"""The embedded policy engine: OPA's own compilation of the Rego, run in this process on wasmtime.

Never used beside a real OPA for the same bundle: bootstrap chooses one back end of `ports.PolicyEngine`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import wasmtime
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet

from amas_policy_sidecar.adapters.engine_faults import unavailable
from amas_policy_sidecar.adapters.wasm_host import PolicyFaultError, PolicySlowError, WasmPolicy

ENTRYPOINT = "amas/main/decision"
# Policies change rarely, so several bundles share an instance; an instance holds a few MB.
MAX_INSTANCES = 8
# A bundle costs an entry of two digests.
MAX_BUNDLES = 4096


class WasmEngine:
    """Decides by the WebAssembly that each bundle carries. `on_fault` is told the kind of each fault."""

    def __init__(self, on_fault: Callable[[str], None] = lambda _: None) -> None:
        """Makes an engine without any policy."""
        self._on_fault = on_fault
        config = wasmtime.Config()
        config.consume_fuel = True
        self._engine = wasmtime.Engine(config)
        self._instances: OrderedDict[str, WasmPolicy] = OrderedDict()
        self._modules: OrderedDict[str, bytes] = OrderedDict()
        self._bundles: OrderedDict[str, str] = OrderedDict()

    async def load(self, bundle: str, policies: PolicySet) -> None:
        """Takes a bundle's policies; the same again changes nothing.

        Raises:
            AmasError: UNAVAILABLE, they cannot be loaded.
        """
        if bundle in self._bundles:
            self._bundles.move_to_end(bundle)
            return
        content = hashlib.sha256(policies.wasm).hexdigest()
        self._modules[content] = policies.wasm
        try:
            self._instance(content)
        except PolicyFaultError as error:
            raise self._fault(str(error), "refused") from error
        self._bundles[bundle] = content
        while len(self._bundles) > MAX_BUNDLES:
            self._bundles.popitem(last=False)
        used = set(self._bundles.values())
        for unused in [key for key in self._modules if key not in used]:
            del self._modules[unused]

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Evaluates `data.amas.main.decision` for an input under a bundle.

        Raises:
            AmasError: UNAVAILABLE, the bundle was not loaded, or the policy failed or answered no object.
        """
        content = self._bundles.get(bundle)
        if content is None:
            raise self._fault("the bundle's policies were not loaded", "out_of_date")
        try:
            results = self._instance(content).evaluate(document)
        except PolicyFaultError as error:
            # What a fault left behind in the instance's memory must not reach the next decision.
            self._instances.pop(content, None)
            raise self._fault(str(error), "slow" if isinstance(error, PolicySlowError) else "failed") from error
        if len(results) != 1 or not isinstance(results[0].get("result"), dict):
            raise self._fault("it answered no decision", "nonsense")
        return dict(results[0]["result"])

    async def check(self) -> None:
        """The engine is this process: it is there when we are."""

    def _fault(self, why: str, fault: str) -> AmasError:
        self._on_fault(fault)
        return unavailable(why, fault=fault)

    def _instance(self, content: str) -> WasmPolicy:
        instance = self._instances.get(content)
        if instance is None:
            try:
                module = wasmtime.Module(self._engine, self._modules[content])
            except wasmtime.WasmtimeError as error:
                raise PolicyFaultError(f"the compiled policy is no WebAssembly: {error}") from error
            instance = WasmPolicy(self._engine, module, ENTRYPOINT)
            self._instances[content] = instance
        self._instances.move_to_end(content)
        while len(self._instances) > MAX_INSTANCES:
            self._instances.popitem(last=False)
        return instance
