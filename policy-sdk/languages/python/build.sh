#!/bin/sh
# Makes the component tool-claim.wasm in a folder: build.sh [FOLDER]
set -eu
cd "$(dirname "$0")"
out=${1:-build}

componentize=.venv/bin/componentize-py
[ -x "$componentize" ] || {
    echo "componentize-py is missing: run $PWD/install.sh" >&2
    exit 69 # EX_UNAVAILABLE of sysexits.h
}

mkdir -p "$out"
# --stub-wasi: what the interpreter would import of a system is not granted to policies; it fails where it needs it.
"$componentize" --wit-path ../../wit --world policy componentize --stub-wasi tool_claim --output "$out/tool-claim.wasm"
