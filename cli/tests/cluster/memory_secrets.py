"""A SecretStore in memory, for tests; it can let somebody else be first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from amas_cli.cluster.setup.ports import StoredSecret


@dataclass
class MemorySecrets:
    """Secrets by name; `kinds` is what each was made as."""

    secrets: dict[str, StoredSecret] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    beaten_to: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    """What somebody else puts under a name in the moment before we write to it."""

    def find(self, name: str) -> StoredSecret | None:
        return self.secrets.get(name)

    def create(self, name: str, data: Mapping[str, bytes], kind: str) -> bool:
        self._let_others(name)
        if name in self.secrets:
            return False
        self.secrets[name] = StoredSecret(name, dict(data), "1", ours=True)
        self.kinds[name] = kind
        self.writes.append(name)
        return True

    def replace(self, current: StoredSecret, data: Mapping[str, bytes]) -> bool:
        self._let_others(current.name)
        if self.secrets[current.name].version != current.version:
            return False
        self.secrets[current.name] = replace(current, data=dict(data), version=str(int(current.version) + 1))
        self.writes.append(current.name)
        return True

    def put(self, name: str, data: Mapping[str, bytes]) -> None:
        """As somebody else would."""
        version = str(int(self.secrets[name].version) + 1) if name in self.secrets else "1"
        self.secrets[name] = StoredSecret(name, dict(data), version, ours=False)

    def _let_others(self, name: str) -> None:
        if name in self.beaten_to:
            self.put(name, self.beaten_to.pop(name))
