#!/usr/bin/env bash
# Finds the pinned OPA on the PATH or in the cache, else builds it there with Go; says in one sentence what is missing.
set -euo pipefail
version=1.22.2
cache=$1
if command -v opa >/dev/null && opa version 2>/dev/null | grep "^Version: $version\$" >/dev/null; then exit 0; fi
if ! command -v go >/dev/null; then
  echo "the policy tests need OPA $version: put \`opa\` on the PATH, or install Go so that it can be built" >&2
  exit 1
fi
echo "building OPA $version into $cache/bin (once, about three minutes)"
mkdir -p "$cache/bin" "$cache/opa-build"
GOBIN="$cache/opa-build" GOTOOLCHAIN=auto go install "github.com/open-policy-agent/opa@v$version"
# A rename, so that an interrupted build never leaves half a program.
mv "$cache/opa-build/opa" "$cache/bin/opa"
