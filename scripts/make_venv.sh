#!/usr/bin/env bash
# Builds the virtual environment: pip installs uv by hash, uv installs the locked packages by hash, then our members.
set -euo pipefail
python=$1 venv=$2
shift 2
command -v "$python" >/dev/null || python=python3
"$python" - <<'PY' || { echo "AMAS needs Python 3.11 to 3.13; name one with PYTHON=/path/to/python" >&2; exit 1; }
import sys
sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))
PY
failed() {
  echo "setting up $venv failed: the messages above say where. Without a network, or behind a mirror, name your package" >&2
  echo "index in pip's configuration (and in UV_DEFAULT_INDEX); what is there is kept, so \`make setup\` goes on from it" >&2
}
trap failed ERR
echo "setting up $venv (once)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
uv=("$venv/bin/python" -m uv)
"${uv[@]}" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements/dev.txt
members=()
for member in "$@"; do members+=(-e "$member"); done
"${uv[@]}" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation "${members[@]}"
"${uv[@]}" pip install --quiet --python "$venv/bin/python" --no-deps --require-hashes -r requirements/bootstrap.txt
