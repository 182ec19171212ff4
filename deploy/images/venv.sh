#!/bin/sh
# The steps in which an image's virtual environment is made, in build stages alone:
#   tools               what installs and builds
#   packages NAME       the packages of requirements/NAME.txt, by hash
#   members NAME DIR…   wheels of the workspace's members in these folders
#   folder NAME         a folder of the repository as it is, under /app, readable by everybody whatever the checkout's modes
#   library FILE        a shared library of this stage, and the loader's cache by which it is found
# What a step adds to /app stands afterwards under /out/NAME too (`members`: /out/members-NAME, `folder`: /out/folder-NAME, `library`: /out/library): one layer of the final image.
# It must never leave anything that differs between two builds: no paths of caches, no times in compiled files.
set -eu

tools=/build/tools/bin
umask 022
# Compiled files hold sets, whose order hangs on this; wheels hold times.
export PYTHONHASHSEED=0 SOURCE_DATE_EPOCH=1767225600
export UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

listing() { (cd / && find app \( -type f -o -type l \) 2>/dev/null | LC_ALL=C sort); }

# The environment's interpreter is the final image's /usr/bin/python3.11, wherever this stage has its own.
make_environment() {
  [ -e /usr/bin/python3.11 ] || ln -s "$(command -v python3.11)" /usr/bin/python3.11
  "$tools/uv" venv --quiet --no-config --python /usr/bin/python3.11 /app
  ln -sf /usr/bin/python3.11 /app/bin/python
  sed -i 's#^home = .*#home = /usr/bin#; /^uv = /d' /app/pyvenv.cfg
  rm -f /app/.gitignore /app/.lock /app/CACHEDIR.TAG /app/bin/activate* /app/bin/*deactivate* /app/bin/pydoc.bat
}

# layer OUT: what /app has and /build/before does not know, with compiled files that are valid whatever the files' times.
layer() {
  mkdir -p "$1"
  rm -f /app/.lock
  listing | LC_ALL=C comm -13 /build/before - >/build/added
  # The same files by another name: nothing is written twice.
  (cd / && xargs -d '\n' cp -dl --parents -t "$1" </build/added)
  # One process, so that the order of files is the same each time. Files that no Python 3 can read are not ours to judge.
  python3.11 -m compileall -q -s "$1" -p / --invalidation-mode unchecked-hash "$1" >/dev/null 2>&1 || true
}

step=$1
shift
case $step in
tools)
  python3.11 -m venv /build/tools
  "$tools/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
    -r /build/requirements/bootstrap.txt -r /build/requirements/build.txt
  ;;
packages)
  listing >/build/before
  [ -x /app/bin/python ] || make_environment
  "$tools/uv" pip install --quiet --no-deps --require-hashes --python /app/bin/python -r "/build/requirements/$1.txt"
  layer "/out/$1"
  ;;
members)
  name=$1
  shift
  listing >/build/before
  [ -x /app/bin/python ] || make_environment
  for member in "$@"; do
    (cd "/build/$member" && "$tools/python" -m hatchling build -t wheel -d /build/wheels >/dev/null)
  done
  names=$(for member in "$@"; do sed -n 's/^name = "\(.*\)"/\1/p' "/build/$member/pyproject.toml" | head -n 1; done)
  # shellcheck disable=SC2086 -- one argument a name
  "$tools/uv" pip install --quiet --no-deps --no-index --no-cache --find-links /build/wheels --python /app/bin/python $names
  # Uv's notes hold the time of the installation.
  find /app -name uv_cache.json -delete
  find /app -path '*/amas_*.dist-info/RECORD' -exec sed -i '/uv_cache.json/d' {} +
  layer "/out/members-$name"
  ;;
folder)
  mkdir -p "/out/folder-$1/app"
  cp -R "/build/$1" "/out/folder-$1/app/"
  chmod -R u=rwX,go=rX "/out/folder-$1/app"
  ;;
library)
  mkdir -p /out/library
  path=$(ldconfig -p | sed -n "s#^[[:space:]]*$1 .* => ##p" | head -n 1)
  [ -n "$path" ] || { echo "venv.sh: this stage has no $1" >&2; exit 2; }
  cp -a --parents "$path"* /etc/ld.so.cache /out/library/
  ;;
*)
  echo "venv.sh: there is no step $step" >&2
  exit 2
  ;;
esac
