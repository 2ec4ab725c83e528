#!/usr/bin/env bash
# Measures a release build on this machine and writes docs/benchmarks.md.
#
# A fresh server on a fresh data folder, the TSUs `default` (P-256) and `rsa` (RSA-3072), `attestamp bench` at 1, 16 and
# 64 connections for each, and `openssl speed` in the same minutes as the yardstick: it says what the processor can do,
# so that figures of two machines can be compared. Client and server share the machine; that is said in the document.
#
#   SECONDS_EACH=10   how long each measurement takes
#   CARGO             the cargo to build with
set -euo pipefail
cd "$(dirname "$0")/.."

seconds_each=${SECONDS_EACH:-10}
connections=(1 16 64)
document=docs/benchmarks.md

"${CARGO:-cargo}" build --release --locked -p attestamp
attestamp=${CARGO_TARGET_DIR:-target}/release/attestamp

work=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

start_server() {
    local data=$work/data tries
    "$attestamp" init --data "$data" >"$work/init.log" 2>&1 || { cat "$work/init.log" >&2; exit 1; }
    if ! "$attestamp" tsu list --data "$data" | grep -qw rsa; then
        "$attestamp" tsu new rsa --algorithm rsa-3072 --data "$data"
    fi
    "$attestamp" serve --data "$data" --listen 127.0.0.1:0 >"$work/server.log" 2>&1 &
    server=$!
    for tries in $(seq 300); do
        if [ -s "$data/state/listening" ]; then
            port=$(sed 's/.*://' "$data/state/listening")
            return
        fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start within $((tries / 10)) s:" >&2
    cat "$work/server.log" >&2
    exit 1
}

# A number of the JSON document that `attestamp bench --json` prints, one member a line.
number() { sed -n "s/^ *\"$2\": *\([0-9.]*\),\{0,1\}\$/\1/p" "$1" | head -n 1; }

# Signatures a second of one core, by `openssl speed`; its columns differ between versions, their names do not.
openssl_signs() {
    openssl speed -seconds 3 "$1" 2>/dev/null | awk '
        /sign\/s/ { for (i = 1; i <= NF; i++) if ($i == "sign/s") from_end = NF - i }
        /^ *rsa +3072|nistp256/ { print $(NF - from_end) }' | tail -n 1
}

# A row of the table for one TSU and number of connections.
row() {
    local tsu=$1 algorithm=$2 clients=$3 signs=$4 result=$work/$1-$3.json
    "$attestamp" bench "http://127.0.0.1:$port/tsa/$tsu" --pid "$server" --connections "$clients" \
        --seconds "$seconds_each" --json >"$result"
    awk -v algorithm="$algorithm" -v clients="$clients" -v signs="$signs" \
        -v rate="$(number "$result" tokensPerSecond)" -v p50="$(number "$result" p50)" \
        -v p99="$(number "$result" p99)" -v cpu="$(number "$result" serverCpuMicrosecondsPerToken)" \
        -v failures="$(number "$result" failures)" 'BEGIN {
            share = (cpu > 0 && signs > 0) ? sprintf("%.2f", 1e6 / cpu / signs) : "not known"
            printf "| %s | %d | %.0f | %.2f ms | %.2f ms | %.0f µs | %s | %d |\n",
                algorithm, clients, rate, p50, p99, cpu, share, failures
        }'
}

measure() {
    local tsu=$1 algorithm=$2 name=$3 signs clients
    signs=$(openssl_signs "$name")
    echo "| $name | ${signs:-not known} |" >>"$work/openssl"
    for clients in "${connections[@]}"; do
        echo "measuring $algorithm with $clients connections" >&2
        row "$tsu" "$algorithm" "$clients" "${signs:-0}" >>"$work/rows"
    done
}

write_document() {
    local model memory
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    cat <<EOF
# Benchmarks

Written by \`make bench\` (\`scripts/bench.sh\`) on $(date -u +%F), version $("$attestamp" --version | awk '{ print $NF }').

Machine: $(nproc) cores, ${model:-processor not named}, $memory; $(uname -s) $(uname -r | cut -d- -f1), $(rustc --version | cut -d' ' -f1,2), $(openssl version | cut -d' ' -f1,2).
Client and server share these cores, so the rates are lower than with a client elsewhere. The CPU time is the server's alone.

| key | connections | tokens a second | p50 | p99 | server CPU a token | tokens per CPU second / \`openssl speed\` signatures | failures |
|---|---|---|---|---|---|---|---|
$(cat "$work/rows")

\`openssl speed\` on one core in the same minutes:

| algorithm | signatures a second |
|---|---|
$(cat "$work/openssl")

## How it was measured
A fresh server with the embedded token and its default configuration, $seconds_each s for each row after a warm-up of 500 requests:

    attestamp init --data DIR
    attestamp serve --data DIR --listen 127.0.0.1:PORT
    attestamp bench http://127.0.0.1:PORT/tsa/default --connections ${connections[*]: -1} --seconds $seconds_each
    attestamp bench http://127.0.0.1:PORT/tsa/rsa --connections ${connections[*]: -1} --seconds $seconds_each
    openssl speed -seconds 3 ecdsap256
    openssl speed -seconds 3 rsa3072

The load is closed-loop: each connection (HTTP/1.1, kept alive) sends its next request when it has the answer to its last one.
Every request has its own hash value and nonce, and every reply is compared with them; signatures are not verified. The CPU time
is user and system time of all the server's threads from \`/proc/PID/stat\`, divided by the tokens issued.
EOF
}

start_server
measure default P-256 ecdsap256
measure rsa RSA-3072 rsa3072
mkdir -p docs
write_document >"$work/benchmarks.md"
mv "$work/benchmarks.md" "$document"
echo "wrote $document" >&2
