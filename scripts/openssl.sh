#!/usr/bin/env bash
# Builds the embedded token's OpenSSL into the folder named, once: `scripts/openssl.sh FOLDER`.
#
# It is built again when Cargo.lock names another version, or when an earlier build did not finish.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
version=$(grep -A1 '^name = "openssl-src"$' Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')
stamp=$folder/version

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$version" ]; then
    exit 0
fi
echo "building OpenSSL ($version) for the software token: a few minutes, once"
mkdir -p "$folder"
rm -f "$stamp"
log=$folder/build.log
# The environment names the OpenSSL that is yet to be built. openssl-src takes the number of jobs from CARGO_MAKEFLAGS, which
# cargo sets for build scripts alone; without it make would run one compiler at a time.
if ! env -u OPENSSL_DIR -u OPENSSL_NO_VENDOR CARGO_MAKEFLAGS="-j$(nproc)" cargo run --quiet --locked -p attestamp-openssl -- "$folder" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "OpenSSL did not build; the whole output is in $log" >&2
    exit 1
fi
rm -rf "$folder/build"
echo "$version" >"$stamp"
