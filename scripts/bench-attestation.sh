#!/usr/bin/env bash
# What attesting costs those who want timestamps: a release build under full load, with and without a client that asks
# for one fresh attestation after the other. Writes docs/benchmarks-attestation.md.
#
# Server, load and the asking client share the machine. Turns with and without alternate, and what is compared are the
# medians of the turns: on a machine with other work the figures of two minutes cannot be compared.
#
#   TURNS=5           how often the two take turns
#   SECONDS_EACH=2    how long each turn takes
#   CARGO             the cargo to build with
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${TURNS:-5}
slice=${SECONDS_EACH:-2}
document=docs/benchmarks-attestation.md

"${CARGO:-cargo}" build --release --locked --workspace --bin attestamp
attestamp=${CARGO_TARGET_DIR:-target}/release/attestamp

work=$(mktemp -d)
server=
asking=
finish() {
    for process in $asking $server; do
        kill -TERM "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$attestamp" init --data "$work/data" >"$work/init.log" 2>&1 || { cat "$work/init.log" >&2; exit 1; }
# The one client stands for all: with the default budget it is refused when all together would be.
sed -i 's/^# attestations-per-minute-per-address = .*/attestations-per-minute-per-address = 0/' "$work/data/attestamp.toml"
"$attestamp" serve --data "$work/data" --listen 127.0.0.1:0 >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 300); do
    [ -s "$work/data/state/listening" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.1
done
url=http://$(cat "$work/data/state/listening")

# One fresh attestation after the other, until killed: a line with status and seconds each. A refusal is waited out a little.
ask() {
    while true; do
        case $(tail -n 1 "$2" 2>/dev/null) in 429*) sleep 0.2 ;; esac
        curl -s -o /dev/null -w '%{http_code} %{time_total}\n' \
            "$url/attestation/keys/default?chain=$1&nonce=$(printf '%032d' $((RANDOM * RANDOM)))" >>"$2"
    done
}

number() { sed -n "s/^ *\"$2\": *\([0-9.]*\),\{0,1\}\$/\1/p" "$1" | head -n 1; }

median() {
    awk -v column="$2" '{ print $column }' "$1" | sort -n |
        awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

load() {
    "$attestamp" bench "$url/tsa" --pid "$server" --connections "$1" --warm-up 100 --seconds "$slice" --json >"$work/last.json"
    echo "$(number "$work/last.json" tokensPerSecond) $(number "$work/last.json" p50) $(number "$work/last.json" p99)" >>"$2"
}

row() {
    local budget=$1 chain=$2 connections=$3
    local alone=$work/$1-$2-$3.alone with=$work/$1-$2-$3.with asked=$work/$1-$2-$3.asked
    echo "measuring the $chain chain at $connections connections, budget $budget" >&2
    for _ in $(seq "$rounds"); do
        load "$connections" "$alone"
        ask "$chain" "$asked" &
        asking=$!
        load "$connections" "$with"
        kill -TERM "$asking"
        wait "$asking" 2>/dev/null || true
        asking=
    done
    if grep -qv -e '^200 ' -e '^429 ' "$asked"; then echo "an attestation failed" >&2; exit 1; fi
    sed -i '/^429 /d' "$asked"
    printf '| %s | %s | %d | %.0f / %.0f | %.2f / %.2f ms | %.2f / %.2f ms | %.2f | %d | %.0f ms | %.0f ms |\n' \
        "$budget" "$chain" "$connections" "$(median "$alone" 1)" "$(median "$with" 1)" "$(median "$alone" 2)" "$(median "$with" 2)" \
        "$(median "$alone" 3)" "$(median "$with" 3)" \
        "$(awk -v with="$(median "$with" 3)" -v alone="$(median "$alone" 3)" 'BEGIN { print with / alone }')" \
        "$(wc -l <"$asked")" \
        "$(awk -v seconds="$(median "$asked" 2)" 'BEGIN { print 1000 * seconds }')" \
        "$(awk '{ if ($2 > most) most = $2 } END { print 1000 * most }' "$asked")"
}

measure() {
    local connections chain
    for connections in 16 64; do
        for chain in classical pq; do
            row "$1" "$chain" "$connections" >>"$work/rows"
        done
    done
}
measure default
sed -i 's/^# fresh-per-minute = .*/fresh-per-minute = 1000000/' "$work/data/attestamp.toml"
"$attestamp" reload --data "$work/data" >"$work/reload.log" 2>&1 || { cat "$work/reload.log" >&2; exit 1; }
measure none

{
    cat <<END
# What attesting costs

Written by \`make bench-attestation\` (\`scripts/bench-attestation.sh\`) on $(date -u +%F), version $("$attestamp" --version | awk '{ print $2 }').

Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1). Server, load and the client that asks for attestations share these cores.

\`attestamp bench\` loads the TSU \`default\` (P-256) as much as it takes, without and with a client that asks for one attestation with a nonce after the
other: as many as the default budget of all clients together lets it have (\`fresh-per-minute = 120\`, twenty of them at once), and with that budget
lifted, which is more than a server lets clients do unless it is told to. Medians of $rounds turns of $slice s each, which alternate.

| budget | chain | connections | tokens a second without / with | p50 | p99 | p99 with / without | attestations | their median | the longest |
|---|---|---|---|---|---|---|---|---|---|
END
    cat "$work/rows"
    cat <<'END'

An attestation is made on a thread of its own, one at a time: it reads the attributes of the key, and the attestation key signs. No request for a
timestamp waits for it, but it takes its share of the processor, and it reads the token's database: without a budget a client that asks for one
after the other costs those who want timestamps a third of the rate on two cores.
END
} >"$work/document"
mv "$work/document" "$document"
chmod 644 "$document"
cat "$document"
