#!/usr/bin/env bash
# Every test that needs no cluster, in the order in which a failure is cheapest to find.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/check_policies.sh
pytest -q -m "not cluster" "$@"
