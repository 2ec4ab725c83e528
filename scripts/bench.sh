#!/usr/bin/env bash
# Measures a release build on this machine and writes docs/benchmarks.md.
#
# A fresh server on a fresh data folder with a TSU for each key, and `attestamp bench` at 1, 16 and 64 connections for
# each. In the same minutes two yardsticks: `openssl speed` says what the processor can do for the classical keys, so that
# figures of two machines can be compared; the token's own pool, alone in a process (hsm/examples/raw_rate.rs), says what
# a signature costs where there is no server around it, so that the server's own share is known. Client and server share
# the machine; that is said in the document.
#
#   TURNS=5           how often server and token take turns for a row; the figures are medians
#   SECONDS_EACH=1    how long each turn takes
#   CARGO             the cargo to build with
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${TURNS:-5}
slice=${SECONDS_EACH:-1}
connections=(1 16 64)
document=docs/benchmarks.md

# Both at once: another selection of packages would build the token again, with other features.
"${CARGO:-cargo}" build --release --locked --workspace --bin attestamp --example raw_rate
attestamp=${CARGO_TARGET_DIR:-target}/release/attestamp
raw_rate=${CARGO_TARGET_DIR:-target}/release/examples/raw_rate

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
    local data=$work/data tries algorithm
    "$attestamp" init --data "$data" >"$work/init.log" 2>&1 || { cat "$work/init.log" >&2; exit 1; }
    for algorithm in ml-dsa-44 ml-dsa-87 slh-dsa-sha2-128f; do
        "$attestamp" tsu new "$algorithm" --algorithm "$algorithm" --data "$data" >>"$work/init.log" 2>&1 ||
            { cat "$work/init.log" >&2; exit 1; }
    done
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

# What the token's pool does alone, with this many threads: a line of raw_rate, kept for the table.
measure_raw() {
    local algorithm=$1 threads=$2
    "$raw_rate" --seconds "$slice" --threads "$threads" "$algorithm" |
        awk -v algorithm="$algorithm" '$1 == algorithm' | tee -a "$work/raw-$algorithm" >"$work/raw-last"
    [ -s "$work/raw-last" ] || { echo "the token made no signature with $algorithm" >&2; exit 1; }
}

# Microseconds of CPU time in the line that was measured last.
signature_cpu() { awk '{ print $5 }' "$work/raw-last"; }

# The median of a column of a file.
median() {
    awk -v column="$2" '{ print $column }' "$1" | sort -n |
        awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

# A row of the table for one TSU and number of connections. Token alone and server take turns, with as many cores busy
# (one for one connection, all for more), and each figure is the median of the turns: on a machine with other work the CPU
# time of a signature changes from one second to the next, and what is compared must be of the same second.
row() {
    local tsu=$1 key=$2 algorithm=$3 clients=$4 signs=$5 result=$work/$1-$4.json turns=$work/$1-$4.turns
    local threads turn failures=0
    threads=$(nproc)
    [ "$clients" = 1 ] && threads=1
    for turn in $(seq "$rounds"); do
        measure_raw "$algorithm" "$threads"
        "$attestamp" bench "http://127.0.0.1:$port/tsa/$tsu" --pid "$server" --connections "$clients" \
            --warm-up "$warm_up" --seconds "$slice" --json >"$result"
        failures=$((failures + $(number "$result" failures)))
        echo "$(number "$result" tokensPerSecond) $(number "$result" p50) $(number "$result" p99)" \
            "$(number "$result" serverCpuMicrosecondsPerToken) $(signature_cpu)" |
            awk '{ print $0, ($4 > 0) ? 100 * ($4 - $5) / $4 : 0 }' >>"$turns"
    done
    awk -v key="$key" -v clients="$clients" -v signs="$signs" -v failures="$failures" \
        -v rate="$(median "$turns" 1)" -v p50="$(median "$turns" 2)" -v p99="$(median "$turns" 3)" \
        -v cpu="$(median "$turns" 4)" -v signature="$(median "$turns" 5)" -v own="$(median "$turns" 6)" 'BEGIN {
            share = (cpu > 0 && signs > 0) ? sprintf("%.2f", 1e6 / cpu / signs) : "–"
            printf "| %s | %d | %.0f | %.2f ms | %.2f ms | %.0f µs | %.0f µs | %.0f %% | %s | %d |\n",
                key, clients, rate, p50, p99, cpu, signature, own, share, failures
        }'
}

# The token alone: the means of what was measured between the rows of one key.
raw_row() {
    awk -v key="$2" '
        { at = ($3 == 1) ? 1 : 2; count[at]++; rate[at] += $4; cpu[at] += $5 }
        END {
            printf "| %s |", key
            for (at = 1; at <= 2; at++)
                if (count[at]) printf " %.0f | %.0f µs |", rate[at] / count[at], cpu[at] / count[at]
                else printf " – | – |"
            print ""
        }' "$work/raw-$1"
}

# The server's own time by the key whose signature is shortest, as a share of an ML-DSA-65 token: from the rows above.
own_share_by_p256() {
    awk -F'|' '
        { gsub(/ /, ""); gsub(/µs/, "") }
        $2 == "P-256" { own[$3] = $7 - $8 }
        $2 == "ML-DSA-65" && ($3 in own) { printf "| %s | %.0f µs | %.1f %% |\n", $3, own[$3], 100 * own[$3] / $7 }' "$1"
}

# Octets of a reply of one TSU, without and with certificates.
reply_octets() {
    local options
    for options in "" -cert; do
        # shellcheck disable=SC2086 # no option is no word
        openssl ts -query -digest "$(printf '%064d' 0)" -sha256 $options -out "$work/query.tsq" 2>/dev/null
        curl -sSf -H 'Content-Type: application/timestamp-query' --data-binary @"$work/query.tsq" \
            -o /dev/null -w '%{size_download} ' "http://127.0.0.1:$port/tsa/$1"
    done
}

# measure TSU KEY ALGORITHM [NAME FOR OPENSSL SPEED]
measure() {
    local tsu=$1 key=$2 algorithm=$3 name=${4:-} signs=0 clients without with warm_up=100
    # A slow key is warm sooner.
    case $algorithm in slh-dsa-*) warm_up=10 ;; esac
    echo "measuring $key" >&2
    if [ -n "$name" ]; then
        signs=$(openssl_signs "$name")
        echo "| $name | ${signs:-not known} |" >>"$work/openssl"
    fi
    for clients in "${connections[@]}"; do
        row "$tsu" "$key" "$algorithm" "$clients" "${signs:-0}" >>"$work/rows"
    done
    raw_row "$algorithm" "$key" >>"$work/raw"
    read -r without with < <(reply_octets "$tsu") || true
    echo "| $key | $without | $with |" >>"$work/sizes"
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

| key | connections | tokens a second | p50 | p99 | server CPU a token | token's CPU a signature | server's own share of the CPU | tokens per CPU second / \`openssl speed\` signatures | failures |
|---|---|---|---|---|---|---|---|---|---|
$(cat "$work/rows")

The server's own share is (server CPU a token − token's CPU a signature) / server CPU a token: HTTP, ASN.1, log and clock. Token alone
and server take turns, $rounds of $slice s each, with as many cores busy: one for one connection, all for more; all figures are medians of the
turns. Other work on the machine changes what a signature takes, and ML-DSA signs in a varying number of
rounds: a share of less than nothing is such chance. With one connection the server sleeps between two requests and the client runs
beside it: its signatures begin with cold caches on a core that the client may share, which the token alone does not meet, and that
counts as the server's share here. Failures are requests without a token: asked for more than its key signs, a TSU
refuses what would come too late for its accuracy. The signatures made for those are in the server's CPU time.

The server does the same work beside every signature, a longer reply apart. Where the signature is short that work can be seen without
the differences between two long ones: for P-256 it is the difference of the two columns, and as a share of an ML-DSA-65 token

| connections | the server's own CPU a token (P-256) | as a share of an ML-DSA-65 token's |
|---|---|---|
$(own_share_by_p256 "$work/rows")

The token alone, in the same minutes: the pool that the server signs with, in a process of its own that does nothing else.

| key | signatures a second, one thread | CPU a signature | signatures a second, all cores | CPU a signature |
|---|---|---|---|---|
$(cat "$work/raw")

\`openssl speed\` on one core in the same minutes:

| algorithm | signatures a second |
|---|---|
$(cat "$work/openssl")

Octets of a reply (SHA-256, a nonce of 64 bits), without certificates and with TSU's and intermediate's:

| key | without | with |
|---|---|---|
$(cat "$work/sizes")

## How it was measured
A fresh server with the embedded token and its default configuration, $rounds turns of $slice s for each row, each after a warm-up of 100 requests (10 for SLH-DSA):

    attestamp init --data DIR
    attestamp tsu new ml-dsa-44 --algorithm ml-dsa-44 --data DIR
    attestamp serve --data DIR --listen 127.0.0.1:PORT
    attestamp bench http://127.0.0.1:PORT/tsa/default --connections ${connections[*]: -1} --seconds $slice
    attestamp bench http://127.0.0.1:PORT/tsa/ml-dsa-44 --connections ${connections[*]: -1} --seconds $slice
    raw_rate --seconds $slice --threads 1 ml-dsa-44
    openssl speed -seconds 3 ecdsap256
    openssl speed -seconds 3 rsa3072

The load is closed-loop: each connection (HTTP/1.1, kept alive) sends its next request when it has the answer to its last one.
Every request has its own hash value and nonce, and every reply is compared with them; signatures are not verified. The CPU time
is user and system time of all the server's threads from \`/proc/PID/stat\`, divided by the tokens issued.
EOF
}

start_server
measure default P-256 p-256 ecdsap256
measure rsa RSA-3072 rsa-3072 rsa3072
measure ml-dsa-44 ML-DSA-44 ml-dsa-44
measure pq ML-DSA-65 ml-dsa-65
measure ml-dsa-87 ML-DSA-87 ml-dsa-87
measure slh-dsa-sha2-128f SLH-DSA-SHA2-128f slh-dsa-sha2-128f
mkdir -p docs
write_document >"$work/benchmarks.md"
mv "$work/benchmarks.md" "$document"
echo "wrote $document" >&2
