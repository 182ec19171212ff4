#!/usr/bin/env bash
# The images that the proofs on a cluster need, built while the gate's tests run, which wait more than they reckon.
#
# 0: built. 3: built, but this clone has not the release before this one, so that its upgrade cannot be proved.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:${AMAS_CACHE_DIR:-$HOME/.cache/amas}/bin:$PATH"

if [ "$(id -u)" != 0 ]; then
    echo "no images: only root can start the cluster that needs them"
    exit 0
fi
make images
exec python -m deploy.previous
