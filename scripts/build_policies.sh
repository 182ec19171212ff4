#!/usr/bin/env bash
# Compiles policies/ to policies/build/policy.wasm with the pinned OPA; `--check` fails when the committed one differs.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
sources=()
while IFS= read -r file; do sources+=("$file"); done < <(find policies -name policy.rego | LC_ALL=C sort)
opa build --target wasm --entrypoint amas/main/decision --output "$fresh/bundle.tar.gz" "${sources[@]}"
tar -xzf "$fresh/bundle.tar.gz" -C "$fresh" /policy.wasm 2>/dev/null || tar -xzf "$fresh/bundle.tar.gz" -C "$fresh" policy.wasm
if [ "${1:-}" = --check ]; then
  cmp -s "$fresh/policy.wasm" policies/build/policy.wasm ||
    { echo "policies/build/policy.wasm does not follow policies/; run \`make policies\`" >&2; exit 1; }
else
  mkdir -p policies/build
  install -m 0644 "$fresh/policy.wasm" policies/build/policy.wasm
fi
