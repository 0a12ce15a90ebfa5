#!/bin/sh
# Compiles the policy to a core module, tool-claim.core.wasm in a folder: build.sh [FOLDER]
set -eu
cd "$(dirname "$0")"
out=${1:-build}

for tool in "${CC:=clang}" wasm-ld; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing: run $PWD/install.sh" >&2
        exit 69 # EX_UNAVAILABLE of sysexits.h
    }
done

mkdir -p "$out"
# -mcpu=mvp: the same few instructions from every version of clang, and none that a bundle may not have.
# -fno-strict-aliasing: the bindings read structures as bytes, and bytes as structures.
# stack-size: memory is set back before every call, and the stack is a part of it.
# stack-first: too deep a recursion leaves the memory, which is a fault, and does not write over data.
"$CC" --target=wasm32-unknown-unknown -mcpu=mvp -std=c17 -Os -flto -ffreestanding -nostdlib \
    -Wall -Wextra -Werror -fno-strict-aliasing -Iruntime -Ibindings \
    -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 -Wl,--stack-first \
    tool_claim.c runtime/runtime.c bindings/policy.c bindings/policy_component_type.o \
    -o "$out/tool-claim.core.wasm"
