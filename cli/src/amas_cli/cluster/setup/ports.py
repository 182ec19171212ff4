"""What setting up needs of the cluster: Secrets of one namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

TLS_KIND = "kubernetes.io/tls"
PLAIN_KIND = "Opaque"


@dataclass(frozen=True)
class StoredSecret:
    """A Secret as it is now; `ours` says that this program made it, so that it may renew it."""

    name: str
    data: Mapping[str, bytes]
    version: str
    ours: bool


class SecretStore(Protocol):
    """Secrets of one namespace. Every method raises CliError when the cluster does not answer or refuses."""

    def find(self, name: str) -> StoredSecret | None:
        """The Secret, or None."""
        ...

    def create(self, name: str, data: Mapping[str, bytes], kind: str) -> bool:
        """Whether it was made; False: somebody else was first, and nothing was changed."""
        ...

    def replace(self, current: StoredSecret, data: Mapping[str, bytes]) -> bool:
        """Whether its data is now this; False: it is not `current` any more, and nothing was changed."""
        ...
