#!/usr/bin/env bash
# Runs every fuzz target for a fixed number of inputs: scripts/fuzz-smoke.sh [RUNS]
#
# With the address sanitizer where a nightly toolchain that is new enough is installed (the sanitizer needs one), without
# it on the toolchain in use otherwise: a panic, a hang and a broken invariant are found either way. The number of inputs
# and the seed are fixed, the time is not. To search for new faults: cargo +nightly fuzz run TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-20000}
cargo_fuzz=$(scripts/cargo-tool.sh cargo-fuzz)
target_folder=$(realpath "${CARGO_TARGET_DIR:-target}")/fuzz
required=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

nightly_is_new_enough() {
    local found
    found=$(rustc +nightly --version 2>/dev/null | awk '{ print $2 }') || return 1
    found=${found%%-*}
    [ -n "$found" ] && [ "$(printf '%s\n%s\n' "$required" "$found" | sort -V | head -n 1)" = "$required" ]
}

sanitizer=none
if command -v rustup >/dev/null && nightly_is_new_enough; then
    sanitizer=address
    export RUSTUP_TOOLCHAIN=nightly
fi

targets=$("$cargo_fuzz" fuzz list)
if [ -z "$targets" ]; then
    echo "fuzz: no target found in fuzz/" >&2
    exit 1
fi

corpus_folder=$(mktemp -d)
trap 'rm -rf "$corpus_folder"' EXIT
for target in $targets; do
    target_runs=$runs
    # It writes and syncs files: some sixty a second.
    case $target in ledger_segment) target_runs=$((runs / 20 + 1)) ;; esac
    echo "fuzz: $target, $target_runs runs, sanitizer $sanitizer"
    mkdir -p "$corpus_folder/$target"
    corpora=("$corpus_folder/$target")
    if [ -d "fuzz/seeds/$target" ]; then
        corpora+=("fuzz/seeds/$target")
    fi
    "$cargo_fuzz" fuzz run --sanitizer "$sanitizer" --target-dir "$target_folder" "$target" "${corpora[@]}" -- \
        -runs="$target_runs" -seed=1 -print_final_stats=0 -verbosity=0
done
