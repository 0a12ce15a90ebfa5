#!/bin/sh
# Installs what build.sh needs, on Debian and Ubuntu: clang, and the linker for WebAssembly.
set -eu

as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
$as_root apt-get update
$as_root apt-get install --yes --no-install-recommends clang lld
