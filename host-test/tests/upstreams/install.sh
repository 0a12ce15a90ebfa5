#!/bin/sh
# Installs one kind of upstream server in a folder: install.sh python|node|apache FOLDER
# Exits 69 (EX_UNAVAILABLE of sysexits.h) when it cannot be had here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
cd "$2"

unavailable() {
    echo "$1" >&2
    exit 69
}

case $1 in
python)
    python3 -m venv --clear . || unavailable "python3 with venv is missing"
    bin/python -m pip install --quiet --disable-pip-version-check --no-input --only-binary=:all: \
        --requirement "$here/requirements.txt" || unavailable "the packages of requirements.txt cannot be installed"
    ;;
node)
    command -v npm >/dev/null || unavailable "npm is missing"
    cp "$here/package.json" .
    npm install --silent --no-audit --no-fund --no-package-lock || unavailable "the packages of package.json cannot be installed"
    ;;
apache)
    # From Debian's package without installing it: neither root nor a running service is needed.
    command -v apt-get >/dev/null || unavailable "apache2 is missing, and so is apt-get"
    libraries=$(apt-cache depends apache2-bin | sed -n 's/.*Depends: \(libapr[^ ]*\)$/\1/p')
    [ -n "$libraries" ] || unavailable "apache2 is missing, and apt knows no apache2-bin: run apt-get update"
    # shellcheck disable=SC2086 # a list
    apt-get download apache2-bin $libraries >/dev/null || unavailable "apache2-bin cannot be downloaded"
    for package in ./*.deb; do dpkg-deb --extract "$package" .; done
    ;;
*)
    exit 64
    ;;
esac
