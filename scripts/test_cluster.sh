#!/usr/bin/env bash
# The proofs, in order, on the cluster of $KUBECONFIG, or else on one that this starts and stops. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${KUBECONFIG:-}" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "starting a cluster needs root; or set KUBECONFIG to one of your own (kind, k3d, a cloud)" >&2
        exit 1
    fi
    make images
    # Without it the proof of the upgrade fails and says what to do; the others need it not.
    make previous || true
    trap 'make cluster-down' EXIT
    make cluster-up
    export KUBECONFIG="${AMAS_CLUSTER_DIR:-/var/lib/amas-cluster}/admin.kubeconfig"
fi
make charts
pytest -q -s -m cluster -p no:cacheprovider tests/cluster "$@"
