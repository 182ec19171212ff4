"""What is built from Go modules: programs by module, each module with a go.mod of its own under `go/`.

Kubernetes, etcd and CoreDNS share one module, since they share client-go, which is most of the work. The others are
built with what they are published with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

KUBERNETES = "v1.37.2"
ROLLOUTS = "v1.10.1"
KEDA = "v2.21.0"
PROMETHEUS = "v0.316.0"

_KUBERNETES_VERSION = "k8s.io/component-base/version"
_ROLLOUTS_VERSION = "github.com/argoproj/argo-rollouts/utils/version.version"
_PROMETHEUS_VERSION = "github.com/prometheus/common/version"


@dataclass(frozen=True)
class Program:
    """One program: its package, and the variables that the linker sets."""

    name: str
    package: str
    variables: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Module:
    """One go.mod, what is built with it, and which files of its requirements are kept beside the programs."""

    name: str
    programs: tuple[Program, ...]
    # (module, version, folder in it): custom resource definitions that are copied.
    definitions: tuple[tuple[str, str, str], ...] = ()


HYPER = Program(
    "hyper",
    "./hyper",
    {
        f"{_KUBERNETES_VERSION}.gitVersion": KUBERNETES,
        f"{_KUBERNETES_VERSION}.gitMajor": "1",
        f"{_KUBERNETES_VERSION}.gitMinor": "37",
        f"{_KUBERNETES_VERSION}.gitTreeState": "clean",
    },
)

KUBERNETES_MODULE = Module(
    "kubernetes",
    (
        HYPER,
        Program("coredns", "./coredns"),
        Program("pause", "./pause"),
    ),
)

# With the Kubernetes that it is published with: it checks pod templates by that version's internal types, and
# 1.37's refuse what its conversion leaves empty (a Rollout with a service account).
ROLLOUTS_MODULE = Module(
    "rollouts",
    tuple(
        Program(name, f"github.com/argoproj/argo-rollouts/cmd/{name}", {_ROLLOUTS_VERSION: ROLLOUTS})
        for name in ("rollouts-controller", "kubectl-argo-rollouts")
    ),
    definitions=(("github.com/argoproj/argo-rollouts", ROLLOUTS, "manifests/crds"),),
)

PROMETHEUS_MODULE = Module(
    "prometheus",
    (
        Program(
            "prometheus",
            "github.com/prometheus/prometheus/cmd/prometheus",
            {f"{_PROMETHEUS_VERSION}.Version": "3.16.0"},
            # Kubernetes discovery only: the clouds' clients are most of its code.
            ("remove_all_sd", "enable_kubernetes_sd"),
        ),
    ),
)

KEDA_MODULE = Module(
    "keda",
    (
        Program("operator", "github.com/kedacore/keda/v2/cmd/operator"),
        Program("adapter", "github.com/kedacore/keda/v2/cmd/adapter"),
    ),
    definitions=(("github.com/kedacore/keda/v2", KEDA, "config/crd/bases"),),
)

# Generates PodMonitor and ServiceMonitor from their Go types: no registry carries the YAML.
DEFINITIONS_MODULE = Module("crds", (Program("controller-gen", "sigs.k8s.io/controller-tools/cmd/controller-gen"),))
MONITORING_TYPES = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"

MODULES = (KUBERNETES_MODULE, ROLLOUTS_MODULE, PROMETHEUS_MODULE, DEFINITIONS_MODULE, KEDA_MODULE)
