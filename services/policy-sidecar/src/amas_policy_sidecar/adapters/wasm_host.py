"""Runs a policy that OPA compiled to WebAssembly: the part of OPA's ABI that one evaluation needs, and no more.

Source: Open Policy Agent documentation, "WebAssembly" (ABI 1.3: `opa_eval`). Builtins that the host would have to
supply are refused when a policy is loaded, so that no policy can meet a missing one while it decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import wasmtime

# OPA asks for whole pages of 64 KiB; 64 MiB is far more than a decision needs and bounds a runaway policy's memory.
INITIAL_PAGES = 2
MAXIMUM_PAGES = 1024
# Units of wasmtime's fuel for one decision: about a hundred times what the shipped policies use on a large input.
FUEL = 200_000_000
JSON_FORMAT = 0


class PolicyFaultError(RuntimeError):
    """The module could not be loaded, or it failed or aborted while it decided."""


class PolicySlowError(PolicyFaultError):
    """It ran out of fuel: it would have decided, had it had longer."""


class WasmPolicy:
    """One instance of a compiled policy. Not safe for two evaluations at once: its caller serialises."""

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module, entrypoint: str) -> None:
        """Instantiates a module and looks up its entrypoint, such as `amas/main/decision`.

        Raises:
            PolicyFaultError: the module is no OPA policy, lacks the entrypoint, or needs builtins of the host.
        """
        self._store = wasmtime.Store(engine)
        self._store.set_fuel(FUEL)
        self._memory = wasmtime.Memory(self._store, wasmtime.MemoryType(wasmtime.Limits(INITIAL_PAGES, MAXIMUM_PAGES)))
        try:
            linker = wasmtime.Linker(engine)
            linker.define(self._store, "env", "memory", self._memory)
            self._define_callbacks(linker)
            self._exports = linker.instantiate(self._store, module).exports(self._store)
            builtins = self._loads(self._call("builtins"))
            if builtins:
                raise PolicyFaultError(
                    f"the policy needs builtins that WebAssembly lacks: {', '.join(sorted(builtins))}"
                )
            entrypoints = self._loads(self._call("entrypoints"))
            self._data = self._stored({})
            self._heap = self._call("opa_heap_ptr_get")
        except (wasmtime.WasmtimeError, KeyError, TypeError, ValueError) as error:
            raise PolicyFaultError(f"the compiled policy cannot be loaded: {error}") from error
        if entrypoint not in entrypoints:
            raise PolicyFaultError(f"the compiled policy has no entrypoint {entrypoint}")
        self._entrypoint = int(entrypoints[entrypoint])

    def evaluate(self, document: Mapping[str, Any]) -> list[Any]:
        """Evaluates an input; answers OPA's result set, empty when the entrypoint is undefined.

        Raises:
            PolicyFaultError: it failed or aborted.
            PolicySlowError: it used up its fuel.
        """
        self._store.set_fuel(FUEL)
        try:
            text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
            self._grow(self._heap + len(text))
            self._memory.write(self._store, text, self._heap)
            after = self._heap + len(text)
            answer = self._call("opa_eval", 0, self._entrypoint, self._data, self._heap, len(text), after, JSON_FORMAT)
            results = json.loads(self._string(answer))
        except wasmtime.Trap as error:
            if error.trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
                raise PolicySlowError("the policy used up its fuel") from error
            raise PolicyFaultError(f"the policy failed: {error}") from error
        except (wasmtime.WasmtimeError, ValueError) as error:
            raise PolicyFaultError(f"the policy failed: {error}") from error
        return list(results)

    def _define_callbacks(self, linker: wasmtime.Linker) -> None:
        i32 = wasmtime.ValType.i32()

        def abort(address: int) -> None:
            raise PolicyFaultError(f"the policy aborted: {self._string(address)[:200]}")

        def missing(*_: int) -> int:
            raise PolicyFaultError("the policy called a builtin that the host does not have")

        linker.define_func("env", "opa_abort", wasmtime.FuncType([i32], []), abort)
        linker.define_func("env", "opa_println", wasmtime.FuncType([i32], []), lambda _address: None)
        for arity in range(5):
            kind = wasmtime.FuncType([i32] * (2 + arity), [i32])
            linker.define_func("env", f"opa_builtin{arity}", kind, missing)

    def _call(self, name: str, *arguments: int) -> int:
        function = self._exports[name]
        if not isinstance(function, wasmtime.Func):
            raise PolicyFaultError(f"the compiled policy exports no function {name}")
        return int(function(self._store, *arguments) or 0)

    def _grow(self, needed: int) -> None:
        missing = needed - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // 65536))

    def _stored(self, value: Any) -> int:
        text = json.dumps(value).encode()
        address = self._call("opa_malloc", len(text))
        self._memory.write(self._store, text, address)
        return self._call("opa_json_parse", address, len(text))

    def _loads(self, address: int) -> Any:
        return json.loads(self._string(self._call("opa_json_dump", address)))

    def _string(self, address: int) -> str:
        # The answer is a C string whose length is not told: read in growing slices up to the memory's end.
        end, size = self._memory.data_len(self._store), 4096
        while True:
            chunk = bytes(self._memory.read(self._store, address, min(address + size, end)))
            stop = chunk.find(b"\0")
            if stop >= 0:
                return chunk[:stop].decode()
            if address + size >= end:
                raise PolicyFaultError("the policy's answer has no end")
            size *= 4
