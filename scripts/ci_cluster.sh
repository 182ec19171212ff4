#!/usr/bin/env bash
# The proofs on a cluster, as far as the gate's time allows: ci_cluster.sh SECONDS-LEFT CODE-OF-ci_images.sh
#
# The cluster's programs take longer to build into a cold cache than the proofs take to run. What is built stays, so a
# gate that ran out of time says what it left out, and the next one goes on from there. A proof that fails fails.
set -euo pipefail
cd "$(dirname "$0")/.."
end=$((SECONDS + ${1:?usage: ci_cluster.sh SECONDS-LEFT CODE-OF-ci_images.sh}))
# 3: a shallow clone has not the release before this one. Then its upgrade is left out, and the rest is proved.
# 124, 137: the gate's time ended them (timeout(1)).
images=${2:?usage: ci_cluster.sh SECONDS-LEFT CODE-OF-ci_images.sh}
CACHE="${AMAS_CACHE_DIR:-$HOME/.cache/amas}"
export PATH="$PWD/.venv/bin:$CACHE/bin:$PATH"
# Seconds on two cores, with room: start of the cluster; proofs 1 to 3; taking it all down.
START=180 FIRST=960 DOWN=90

remaining() { echo $((end - SECONDS)); }
left_out() { echo "LEFT OUT of this gate, with $(remaining) s of its time left: $*"; }
build() { # build SECONDS PART...: false if the time ran out first
    local seconds=$1 code=0 part
    shift
    for part in "$@"; do
        [ "$seconds" -gt 0 ] || return 1
        timeout --signal=INT --kill-after=30 "$seconds" python -m amas_test_cluster build --only "$part" || code=$?
        [ "$code" != 124 ] && [ "$code" != 137 ] || return 1
        [ "$code" = 0 ] || exit "$code"
        seconds=$(($(remaining) - START - FIRST))
    done
}

if [ "$images" = 124 ] || [ "$images" = 137 ]; then
    left_out "all proofs on a cluster: its images are not all built yet"
    exit 0
fi
[ "$images" = 0 ] || [ "$images" = 3 ] || exit "$images"
if [ "$(id -u)" != 0 ]; then
    left_out "all proofs on a cluster: starting one needs root"
    exit 0
fi
if ! build "$(($(remaining) - START - FIRST))" kubernetes rollouts prometheus crds; then
    left_out "all proofs on a cluster: its programs are not all built yet"
    exit 0
fi
keda=()
build "$(($(remaining) - START - FIRST))" keda || keda=(--without-keda)
if [ "$(remaining)" -lt $((START + FIRST)) ]; then
    left_out "all proofs on a cluster"
    exit 0
fi
trap 'python -m amas_test_cluster down' EXIT
python -m amas_test_cluster up "${keda[@]}"
export KUBECONFIG="${AMAS_CLUSTER_DIR:-/var/lib/amas-cluster}/admin.kubeconfig"
without=""
[ "${#keda[@]}" = 0 ] || without="not autoscaling"
[ "$images" = 0 ] || without="${without:+$without and }not upgrade"
proofs=()
[ -z "$without" ] || proofs=(-k "$without")
code=0
timeout --signal=INT --kill-after=60 "$(($(remaining) - DOWN))" scripts/test_cluster.sh "${proofs[@]}" || code=$?
[ "${#keda[@]}" = 0 ] || left_out "autoscaling, since KEDA is not built yet"
[ "$images" = 0 ] || left_out "the upgrade, since this clone lacks the revision of the release before this one"
if [ "$code" = 124 ] && ! grep -q '"result": "FAILED"' out/cluster/summary.json; then
    left_out "the proofs that the table above lacks or calls cut off"
    exit 0
fi
exit "$code"
