#!/usr/bin/env bash
# The umbrella with everything in it: out/charts/amas (a folder) and out/charts/amas-<version>.tgz; and the witness beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
out=out/charts
rm -rf "$out/source" "$out/amas"
mkdir -p "$out/source"
cp -r charts/. "$out/source"
# Alert rules stand where people without Helm find them, and a chart reads only what is inside it.
cp -r dashboards/rules "$out/source/amas/rules"
for chart in gateway orchestrator ai-router audit amas; do
  helm dependency update --skip-refresh "$out/source/$chart" >/dev/null
done
helm package "$out/source/amas" --destination "$out" >/dev/null
version=$(sed -n 's/^version: //p' charts/amas/Chart.yaml)
tar -xmzf "$out/amas-$version.tgz" -C "$out"
rm -rf "$out/source"
# A chart for somebody else, who runs nothing of the platform.
helm package charts/witness --destination "$out" >/dev/null
# Unit tests are run on what is shipped, and are not shipped.
cp -r charts/amas/tests "$out/amas/tests"
echo "$out/amas"
