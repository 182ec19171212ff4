"""Where things are: the only reader of the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Short, since a Unix socket's path has room for 107 bytes.
DEFAULT_STATE = "/var/lib/amas-cluster"


@dataclass(frozen=True)
class Layout:
    """The folders of the test cluster, and the cluster that the user brings, if any."""

    source: Path
    cache: Path
    state: Path
    own_kubeconfig: str

    @classmethod
    def from_environment(cls) -> Layout:
        """Reads AMAS_CACHE_DIR, AMAS_CLUSTER_DIR and KUBECONFIG; `source` is the deploy/cluster that we stand in."""
        # Without links, as the kernel names mounts and processes name their files: by these it is taken down.
        state = Path(os.environ.get("AMAS_CLUSTER_DIR") or DEFAULT_STATE).resolve()
        cache = Path(os.environ.get("AMAS_CACHE_DIR") or Path.home() / ".cache" / "amas").absolute()
        given = os.environ.get("KUBECONFIG", "")
        ours = bool(given) and Path(given).resolve() == state / "admin.kubeconfig"
        return cls(
            source=Path(__file__).resolve().parents[2],
            cache=cache,
            state=state,
            own_kubeconfig="" if ours else given,
        )

    @property
    def builds(self) -> Path:
        """Built programs, one folder a module and key."""
        return self.cache / "cluster"

    @property
    def tools(self) -> Path:
        """Programs for people: kubectl, kubectl-argo-rollouts."""
        return self.cache / "bin"

    @property
    def manifests(self) -> Path:
        """YAML of the add-ons."""
        return self.source / "manifests"

    @property
    def images(self) -> Path:
        """Docker archives that `make images` writes."""
        return self.source.parents[1] / "out" / "images"

    @property
    def previous_images(self) -> Path:
        """Docker archives that `make previous` makes: the release before this one."""
        return self.source.parents[1] / "out" / "previous" / "images"

    @property
    def running_hyper(self) -> Path:
        """Link to the program that the running cluster was started with: its kubectl fits, whatever is built since."""
        return self.state / "hyper"

    @property
    def pki(self) -> Path:
        """Certificates and keys of the running cluster."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Configuration files of the running cluster's parts."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """Logs of the running cluster's parts."""
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        """One file a process that runs."""
        return self.state / "processes"

    @property
    def containerd_socket(self) -> Path:
        """containerd's API."""
        return self.state / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's access to the cluster that is used: the user's, or ours."""
        return Path(self.own_kubeconfig) if self.own_kubeconfig else self.state / "admin.kubeconfig"
