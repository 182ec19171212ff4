#!/usr/bin/env bash
# Policies: formatted, strict, tested to the last line, and the compiled module follows the sources.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(opa fmt --list policies services/policy-sidecar/opa)
[ -z "$unformatted" ] || { echo "not formatted, run \`make policies\`: $unformatted" >&2; exit 1; }
mapfile -t sources < <(find policies -name '*.rego' | LC_ALL=C sort)
opa check --strict "${sources[@]}"
opa check --strict services/policy-sidecar/opa/*.rego
opa test --threshold 100 --coverage "${sources[@]}" >/dev/null || {
  opa test --verbose "${sources[@]}" >&2 || true
  echo "the policies' own tests fail, or do not cover every line" >&2
  exit 1
}
scripts/build_policies.sh --check
echo "policies: ${#sources[@]} files formatted, strict, covered, compiled"
