#!/usr/bin/env bash
# What verifying every token before it leaves costs: server CPU for a token with `verify-before-release` at "first" and at
# "always", for the keys that are common. The difference is the check.
#
#   scripts/bench-self-check.sh [RELEASE|dev]
set -euo pipefail
cd "$(dirname "$0")/.."

PROFILE="${1:-release}"
FOLDER="${CARGO_TARGET_DIR:-target}/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")"
PROGRAM="${ATTESTAMP_PROGRAM:-$FOLDER/attestamp}"
[ -n "${ATTESTAMP_PROGRAM:-}" ] || cargo build --profile "$PROFILE" --locked --workspace --bins

work="$(mktemp -d)"
server=
end() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap end EXIT

keys=(p-256 p-384 ed25519 rsa-2048 rsa-3072 ml-dsa-65)
options=()
for key in "${keys[@]}"; do options+=(--tsu "$key:$key"); done
"$PROGRAM" --data "$work/data" init --clock system "${options[@]}" 2> /dev/null

printf '%-10s %14s %14s\n' key first/us always/us
measured=()
for mode in first always; do
    sed -i '/^verify-before-release/d; s/^\(\[tsu\..*\]\)$/\1\nverify-before-release = "'"$mode"'"/' "$work/data/attestamp.toml"
    "$PROGRAM" --data "$work/data" serve --listen 127.0.0.1:0 > "$work/log" 2>&1 &
    server=$!
    while [ ! -s "$work/data/state/listening" ]; do
        kill -0 "$server" || { cat "$work/log"; exit 1; }
        sleep 0.1
    done
    for key in "${keys[@]}"; do
        json="$("$PROGRAM" bench "http://$(cat "$work/data/state/listening")/tsa/$key" \
            --connections 4 --seconds 3 --pid "$server" --json)"
        measured+=("$mode $key $(echo "$json" | grep -o '"serverCpuMicrosecondsPerToken": *[0-9.]*' | grep -o '[0-9.]*$')")
    done
    kill "$server" && wait "$server" || true
    server=
done
for key in "${keys[@]}"; do
    printf '%-10s' "$key"
    for mode in first always; do
        printf ' %14s' "$(printf '%s\n' "${measured[@]}" | awk -v m="$mode" -v k="$key" '$1 == m && $2 == k { printf "%.0f", $3 }')"
    done
    printf '\n'
done
