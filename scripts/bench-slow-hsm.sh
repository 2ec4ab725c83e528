#!/usr/bin/env bash
# What a server makes of an HSM of 5 ms and 32 sessions: SoftHSM2 behind the module of the tests that takes so long for each
# signature. The most that is possible is 32 / 5 ms = 6400 signatures a second.
#
#   scripts/bench-slow-hsm.sh [RELEASE|dev]
set -euo pipefail
cd "$(dirname "$0")/.."

PROFILE="${1:-release}"
TARGET="${CARGO_TARGET_DIR:-target}"
FOLDER="$TARGET/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")"
SESSIONS=32
MICROSECONDS=5000
SOFTHSM="${SOFTHSM:-/usr/lib/softhsm/libsofthsm2.so}"

cargo build --profile "$PROFILE" --locked --workspace --lib --bins --example raw_rate

work="$(mktemp -d)"
server=
end() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap end EXIT

slow_module() { # FOLDER
    mkdir -p "$1/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$1/tokens" > "$1/softhsm2.conf"
    cp "$FOLDER/libattestamp_faulty.so" "$1/slow.so"
    printf '%s\nrule C_Sign takes=%s\n' "$SOFTHSM" "$MICROSECONDS" > "$1/slow.conf"
}

echo "== the pool alone: $SESSIONS sessions, 64 threads that ask"
slow_module "$work/pool"
SOFTHSM2_CONF="$work/pool/softhsm2.conf" \
    "$FOLDER/examples/raw_rate" "$work/pool/slow.so" --seconds 5 --threads 64 --sessions "$SESSIONS" p-256

echo "== the server: $SESSIONS sessions, 64 connections"
slow_module "$work/server"
export SOFTHSM2_CONF="$work/server/softhsm2.conf"
softhsm2-util --init-token --free --label slow --so-pin 12345678 --pin 12345678 > /dev/null
(umask 077 && echo 12345678 > "$work/server/pin")
data="$work/data"
"$FOLDER/attestamp" --data "$data" init --clock system --tsu default:p-256 \
    --module "$work/server/slow.so" --token-uri 'pkcs11:token=slow' --pin-file "$work/server/pin" 2> /dev/null
sed -i "s/^\[tsu.default\]/[tsu.default]\nsessions = $SESSIONS/" "$data/attestamp.toml"
"$FOLDER/attestamp" --data "$data" serve --listen 127.0.0.1:0 > "$work/serve.log" 2>&1 &
server=$!
while [ ! -s "$data/state/listening" ]; do
    kill -0 "$server" || { cat "$work/serve.log"; exit 1; }
    sleep 0.1
done
"$FOLDER/attestamp" bench "http://$(cat "$data/state/listening")/tsa" --connections 64 --seconds 5
