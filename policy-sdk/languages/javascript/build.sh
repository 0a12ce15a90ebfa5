#!/bin/sh
# Makes the component tool-claim.wasm in a folder: build.sh [FOLDER]
set -eu
cd "$(dirname "$0")"
out=${1:-build}

componentize=node_modules/.bin/componentize-js
[ -x "$componentize" ] || {
    echo "componentize-js is missing: run $PWD/install.sh" >&2
    exit 69 # EX_UNAVAILABLE of sysexits.h
}

mkdir -p "$out"
# What the engine would import for these is not granted to policies.
"$componentize" tool-claim.js --wit ../../wit --world-name policy \
    --disable stdio random clocks http fetch-event --out "$out/tool-claim.wasm"
