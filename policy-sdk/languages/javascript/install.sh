#!/bin/sh
# Installs what build.sh needs into node_modules/, which takes 400 MB. Node.js and npm have to be there.
set -eu
cd "$(dirname "$0")"
npm install --no-package-lock --no-audit --no-fund
