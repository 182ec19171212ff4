#!/usr/bin/env bash
# Finds the analyzer of tests/cluster/netpol in the cache by the content of its sources, else builds it there with Go; prints
# its path, or says in one sentence what is missing. Once it is built, nothing is asked of a network.
set -euo pipefail
cache=$1
sources=$(cd "$(dirname "$0")/../tests/cluster/netpol" && pwd)
digest=$(cd "$sources" && cat go.mod go.sum ./*.go | sha256sum | cut -c1-16)
program="$cache/bin/amas-netpol-$digest"
if [ ! -x "$program" ]; then
  if ! command -v go >/dev/null; then
    echo "the analyzer of NetworkPolicies is a Go program: install Go 1.23 or later so that it can be built" >&2
    exit 1
  fi
  echo "building the analyzer of NetworkPolicies into $cache/bin (once)" >&2
  mkdir -p "$cache/bin"
  # In a folder of its own and then renamed, so that neither an interrupted nor a second build leaves half a program.
  built=$(mktemp -d "$cache/bin/netpol.XXXXXX")
  trap 'rm -rf "$built"' EXIT
  (cd "$sources" && GOFLAGS="-mod=readonly -trimpath -buildvcs=false" GOTOOLCHAIN=auto CGO_ENABLED=0 go build -o "$built/netpol" .) >&2
  mv "$built/netpol" "$program"
fi
echo "$program"
