#!/usr/bin/env bash
# That third-party/ is what it says it is; licences, sources and bans of every dependency (deny.toml); and known
# vulnerabilities where the database of advisories can be fetched: without a way to it the rest is still checked, and what
# was skipped is said.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_deny=$(scripts/cargo-tool.sh cargo-deny)

# Offline: everything that these need is in Cargo.lock and in the sources that cargo has fetched already.
cargo fetch --locked
scripts/third-party.sh check
"$cargo_deny" --offline --locked check --hide-inclusion-graph bans licenses sources

if fetched=$(GIT_TERMINAL_PROMPT=0 timeout 120 "$cargo_deny" --locked fetch db 2>&1); then
    "$cargo_deny" --locked check --disable-fetch advisories
else
    printf '%s\n' "$fetched" | tail -n 3
    echo "advisories skipped: database not reachable"
fi
