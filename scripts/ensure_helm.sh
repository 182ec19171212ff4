#!/usr/bin/env bash
# Finds the pinned Helm, helm-unittest and Kustomize on the PATH or in the cache, else builds them there with Go.
set -euo pipefail
helm_version=4.3.1
unittest_version=1.1.2
kustomize_version=5.8.1
cache=$1

# A program that Go built names its module's version; one of a release says it by itself.
found() { # program, version, how it says its version
  local place
  place=$(command -v "$1") || return 1
  { "${@:3}" || true; go version -m "$place" || true; } 2>/dev/null |
    grep -E "(^|[^0-9.])v$2([^0-9.]|\$)" >/dev/null # not -q: it would end the program before it, which pipefail takes for a no
}

build() { # program, function that builds it in the folder that it is given
  command -v go >/dev/null || {
    echo "the charts need $1: put it on the PATH, or install Go so that it can be built" >&2
    exit 1
  }
  echo "building $1 into $cache/bin (once, some minutes)"
  mkdir -p "$cache/bin" "$cache/$1-build"
  "$2" "$cache/$1-build"
  # A rename, so that an interrupted build never leaves half a program.
  mv "$cache/$1-build/$1" "$cache/bin/$1"
  rm -rf "$cache/$1-build"
}

build_helm() {
  GOBIN="$1" GOTOOLCHAIN=auto nice go install "helm.sh/helm/v4/cmd/helm@v$helm_version"
}

build_kustomize() {
  GOBIN="$1" GOTOOLCHAIN=auto nice go install "sigs.k8s.io/kustomize/kustomize/v5@v$kustomize_version"
}

# A module that replaces another cannot be installed by its name: a module of our own repeats the replacement.
build_unittest() {
  cat >"$1/go.mod" <<EOF
module amas.internal/helm-unittest
go 1.26.0
require github.com/helm-unittest/helm-unittest v$unittest_version
replace github.com/vmware-labs/yaml-jsonpath v0.3.2 => github.com/helm-unittest/yaml-jsonpath v0.4.0
EOF
  (cd "$1" && GOFLAGS=-mod=mod GOTOOLCHAIN=auto nice go build -o helm-unittest \
    github.com/helm-unittest/helm-unittest/cmd/helm-unittest)
}

found helm "$helm_version" helm version --template '{{.Version}}' || build helm build_helm
found helm-unittest "$unittest_version" true || build helm-unittest build_unittest
found kustomize "$kustomize_version" kustomize version || build kustomize build_kustomize
