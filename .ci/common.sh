# What a step begins with: sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The pinned toolchain brings these where rustup may install; elsewhere they are added here.
rustup --quiet component add rustfmt clippy
rustup --quiet target add wasm32-wasip1 wasm32-unknown-unknown

# On a machine that builds once: what would make the second build faster, or a debugger useful, only takes time.
if [ -n "${CI:-}" ]; then
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=none
fi

# Envoy must be there, and the servers that stand behind it: a test that needs one fails without.
export MANDATE_REQUIRE_ENVOY=1 MANDATE_REQUIRE_UPSTREAMS=1
