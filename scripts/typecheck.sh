#!/usr/bin/env bash
# mypy, strict, over every member's sources and tests.
set -euo pipefail
mypy libs/*/src services/*/src toolservers/*/src amas-operator/src witness/src cli/src scripts deploy
