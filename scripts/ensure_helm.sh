#!/usr/bin/env bash
# Finds the pinned Helm and kubeconform on the PATH or in the cache, else builds them there with Go.
set -euo pipefail
helm_version=4.3.1
kubeconform_version=0.8.0
cache=$1

# A program that Go built names its module's version; one of a release says it by itself.
found() { # program, version, how it says its version
  local place
  place=$(command -v "$1") || return 1
  { "${@:3}" || true; go version -m "$place" || true; } 2>/dev/null | grep -qE "(^|[^0-9.])v$2([^0-9.]|\$)"
}

build() { # program, module with its version
  command -v go >/dev/null || {
    echo "the charts need $1: put it on the PATH, or install Go so that it can be built" >&2
    exit 1
  }
  echo "building $1 into $cache/bin (once, some minutes)"
  mkdir -p "$cache/bin" "$cache/$1-build"
  GOBIN="$cache/$1-build" GOTOOLCHAIN=auto nice go install "$2"
  # A rename, so that an interrupted build never leaves half a program.
  mv "$cache/$1-build/$1" "$cache/bin/$1"
}

found helm "$helm_version" helm version --template '{{.Version}}' || build helm "helm.sh/helm/v4/cmd/helm@v$helm_version"
found kubeconform "$kubeconform_version" kubeconform -v ||
  build kubeconform "github.com/yannh/kubeconform/cmd/kubeconform@v$kubeconform_version"
