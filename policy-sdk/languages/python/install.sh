#!/bin/sh
# Installs what build.sh needs into .venv/, which takes 70 MB. Python with venv has to be there.
set -eu
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
