#!/usr/bin/env bash
# buf's breaking-change check of proto/ against a git revision; a first commit has nothing to break.
set -euo pipefail
cd "$(dirname "$0")/.."
against=$1
if ! git rev-parse --quiet --verify "$against:proto/buf.yaml" >/dev/null 2>&1; then
  echo "breaking: $against has no contracts to compare with"
  exit 0
fi
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git archive "$against" proto | tar -x -C "$before"
buf breaking proto --against "$before/proto"
