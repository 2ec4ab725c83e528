#!/usr/bin/env bash
# Prints the path of a cargo tool, and installs it into the target folder first where it is missing:
#   scripts/cargo-tool.sh cargo-deny
#
# The versions are fixed, so that the same commit is judged by the same tool. Built without optimisation: they run for
# seconds, and their build would take minutes longer.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=${1:?usage: scripts/cargo-tool.sh cargo-deb|cargo-deny|cargo-fuzz}
case "$tool" in
cargo-deb) version=3.8.0 ;;
cargo-deny) version=0.20.2 ;;
cargo-fuzz) version=0.13.2 ;;
*)
    echo "cargo-tool: $tool is not one of cargo-deb, cargo-deny, cargo-fuzz" >&2
    exit 2
    ;;
esac

target_folder=${CARGO_TARGET_DIR:-target}
tools_folder=$target_folder/tools
path=$tools_folder/bin/$tool
if ! "$path" --version 2>/dev/null | grep -qF " $version"; then
    echo "cargo-tool: installing $tool $version into $tools_folder" >&2
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$tools_folder/build" \
        cargo install --debug --locked --force --root "$tools_folder" --version "$version" "$tool" >&2
    rm -rf "$tools_folder/build"
fi
realpath "$path"
