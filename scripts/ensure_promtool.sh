#!/usr/bin/env bash
# Finds promtool on the PATH or in the cache, else takes it out of Debian's package; says in one sentence what is missing.
set -euo pipefail
cache=$1
export PATH="$cache/bin:$PATH"
if command -v promtool >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "the rules are tested with promtool: put it on the PATH (it comes with Prometheus)" >&2
  exit 1
fi
echo "taking promtool out of Debian's package of Prometheus into $cache/bin (once)"
mkdir -p "$cache/bin"
work=$(mktemp -d "$cache/promtool.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
# Not installed: the package would start a server.
if ! apt-get -q download prometheus >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || { echo "apt-get knows no package prometheus: run \`apt-get update\` as root" >&2; exit 1; }
  apt-get -q update >/dev/null
  apt-get -q download prometheus >/dev/null
fi
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
# A rename, so that an interrupted run never leaves half a program.
mv usr/bin/promtool "$cache/bin/promtool"
