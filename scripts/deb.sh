#!/usr/bin/env bash
# Makes the Debian package of a program that is built already: `scripts/deb.sh PROGRAM OUTPUT.deb [OPTION of cargo-deb]...`
#
# PROGRAM is target/PROFILE/attestamp, of any profile: the tests package the one that they have, and no other is built.
# What goes where stands in server/Cargo.toml, under [package.metadata.deb].
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 2 ]; then
    echo "usage: scripts/deb.sh target/PROFILE/attestamp OUTPUT.deb" >&2
    exit 2
fi
program=$(realpath "$1")
output=$2
shift 2
for command in dpkg dpkg-shlibdeps; do
    command -v "$command" >/dev/null || {
        echo "deb: there is no $command here: install the Debian package dpkg-dev" >&2
        exit 1
    }
done
profile_folder=$(dirname "$program")
profile=$(basename "$profile_folder")
if [ "$profile" = debug ]; then
    profile=dev
fi
# Not in the target folder of cargo, which may be elsewhere: patterns in Cargo.toml cannot follow it.
rm -rf target/manual
"$program" manual target/manual
CARGO_TARGET_DIR=$(dirname "$profile_folder") exec "$(scripts/cargo-tool.sh cargo-deb)" \
    --no-build --strip --locked --manifest-path server/Cargo.toml --profile "$profile" --output "$output" "$@"
