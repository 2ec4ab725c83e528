#!/usr/bin/env python3
"""Measures a release build on this machine and writes docs/benchmarks.md.

For each key and 1, 16 and 64 connections three things take turns, a second or so each: the token's pool alone in a process
(hsm/examples/raw_rate.rs), a server that keeps its ledger, and one that keeps none. What is compared is so of the same
seconds: on a machine with other work the CPU time of a signature changes from one second to the next. All figures are
medians of the turns. Client and servers share the machine; the document says so.

What was measured is kept in the target folder, a file a section: `scripts/bench.py SECTION...` measures these sections again and
takes the others from there. Sections: embedded softhsm2 profile overload memory slow-hsm self-check.

    TURNS=5           how often they take turns for a row
    SECONDS_EACH=1    how long each turn takes
    HUNDRED_THOUSANDS=10     hundred thousands of tokens in the measurement of memory
    CARGO             the cargo to build with
"""

import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"
TURNS = int(os.environ.get("TURNS", "5"))
SECONDS = os.environ.get("SECONDS_EACH", "1")
HUNDRED_THOUSANDS = int(os.environ.get("HUNDRED_THOUSANDS", "10"))
CONNECTIONS = (1, 16, 64)
CORES = os.cpu_count() or 1
SOFTHSM = next(iter(Path("/usr/lib").glob("**/softhsm/libsofthsm2.so")), None)

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
ATTESTAMP = TARGET / "attestamp"
RAW_RATE = TARGET / "examples" / "raw_rate"


@dataclass(frozen=True)
class Key:
    """A TSU, its key's name for people, for attestamp, and for `openssl speed`."""

    tsu: str
    name: str
    algorithm: str
    openssl: str | None


P256 = Key("default", "P-256", "p-256", "ecdsap256")
KEYS = {
    "embedded token": [
        P256,
        Key("rsa-2048", "RSA-2048", "rsa-2048", "rsa2048"),
        Key("rsa", "RSA-3072", "rsa-3072", "rsa3072"),
        Key("pq", "ML-DSA-65", "ml-dsa-65", None),
    ],
    "SoftHSM2": [
        P256,
        Key("rsa-2048", "RSA-2048", "rsa-2048", "rsa2048"),
        Key("rsa", "RSA-3072", "rsa-3072", "rsa3072"),
    ],
}


@dataclass
class Turns:
    """What the turns of one server for one row gave."""

    rate: list = field(default_factory=list)
    p50: list = field(default_factory=list)
    p99: list = field(default_factory=list)
    p999: list = field(default_factory=list)
    cpu: list = field(default_factory=list)
    failures: int = 0

    def add(self, report):
        latency = report["latencyMilliseconds"]
        self.rate.append(report["tokensPerSecond"])
        self.p50.append(latency["p50"])
        self.p99.append(latency["p99"])
        self.p999.append(latency["p99.9"])
        self.cpu.append(report["serverCpuMicrosecondsPerToken"])
        self.failures += report["failures"]


def run(command, environment=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """A running server on a data folder of its own."""

    def __init__(self, work, name, token, environment, keeps_ledger):
        self.data, self.environment = work / name, environment
        options = []
        if token == "SoftHSM2":
            pin = work / f"{name}.pin"
            pin.write_text("648219\n")
            pin.chmod(0o600)
            label = name
            run(["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "1234567", "--pin", "648219"], environment)
            options = ["--module", SOFTHSM, "--token-uri", f"pkcs11:token={label}", "--pin-file", pin]
        for key in KEYS[token]:
            options += ["--tsu", f"{key.tsu}:{key.algorithm}"]
        run([ATTESTAMP, "init", "--data", self.data, *options], environment)
        # All clients have one address here.
        changes = [("connections-per-address", "1000", "2000")]
        if not keeps_ledger:
            changes.append(("enabled", "true", "false"))
        configuration = self.data / "attestamp.toml"
        text = configuration.read_text()
        for setting, default, value in changes:
            text, count = re.subn(rf"(?m)^# {setting} = {default}$", f"{setting} = {value}", text)
            assert count == 1, f"attestamp.toml does not have {setting} = {default} as the default"
        configuration.write_text(text)
        self.log = open(work / f"{name}.log", "w")
        self.process = subprocess.Popen(
            [str(ATTESTAMP), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"],
            stdout=self.log, stderr=subprocess.STDOUT, env=environment,
        )
        listening = self.data / "state" / "listening"
        while not (listening.exists() and listening.read_text().strip()):
            if self.process.poll() is not None:
                sys.exit(f"the server did not start:\n{(work / f'{name}.log').read_text()}")
            time.sleep(0.05)
        self.url = f"http://{listening.read_text().strip()}"

    def bench(self, key, *options):
        return json.loads(run([
            ATTESTAMP, "bench", f"{self.url}/tsa/{key.tsu}", "--pid", self.process.pid, "--json", *options,
        ]))

    def memory_kib(self, name):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"(?m)^{name}:\s+(\d+)", status).group(1))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        self.log.close()


def raw_rate(token, key, threads, environment):
    """Signatures a second and microseconds of CPU time each, by the pool alone."""
    module = [str(SOFTHSM)] if token == "SoftHSM2" else []
    command = [str(RAW_RATE), *module, "--seconds", SECONDS, "--threads", str(threads), key.algorithm]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        for line in done.stdout.splitlines():
            words = line.split()
            if words and words[0] == key.algorithm:
                return float(words[3]), float(words[4])
        # SoftHSM2 crashes now and then when its process ends.
        print(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}", file=sys.stderr)
    sys.exit("the token made no signature")


def openssl_speed(name):
    """Signatures a second of one core; the columns differ between versions, their names do not."""
    out = subprocess.run(["openssl", "speed", "-seconds", "1", name], capture_output=True, text=True).stdout
    lines = out.splitlines()
    header = next(line for line in lines if "sign/s" in line).split()
    from_end = len(header) - header.index("sign/s")
    return float(lines[-1].split()[-from_end])


def measure(token, servers, environment):
    """The rows of one token, the token's own rates, and `openssl speed` for each key."""
    rows, raw, speed = [], {}, {}
    for key in KEYS[token]:
        for connections in CONNECTIONS:
            print(f"measuring {token}, {key.name}, {connections} connections", file=sys.stderr)
            threads = 1 if connections == 1 else CORES
            turns = {name: Turns() for name in servers}
            alone, signs = [], []
            for _ in range(TURNS):
                alone.append(raw_rate(token, key, threads, environment))
                if key.openssl:
                    signs.append(openssl_speed(key.openssl))
                for name, server in servers.items():
                    turns[name].add(server.bench(key, "--connections", connections, "--warm-up", 100, "--seconds", SECONDS))
            rate = statistics.median(rate for rate, _ in alone)
            cpu = statistics.median(cpu for _, cpu in alone)
            raw[key.name, threads] = (rate, cpu)
            per_second = statistics.median(signs) if signs else None
            if per_second:
                speed[key.name] = per_second
            for name, turn in turns.items():
                rows.append((key.name, connections, name, turn, rate, cpu, per_second))
    return rows, raw, speed


def table_of(rows):
    lines = [
        "| key | connections | ledger | tokens a second | of the token's rate | p50 | p99 | p99.9 | server CPU a token | token's CPU a signature | tokens per CPU second / `openssl speed` | failures |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    median = statistics.median
    for key, connections, ledger, turn, raw, signature, speed in rows:
        share = f"{1e6 / median(turn.cpu) / speed:.2f}" if speed else "–"
        lines.append(
            f"| {key} | {connections} | {ledger} | {median(turn.rate):.0f} | {median(turn.rate) / raw:.2f} | {median(turn.p50):.2f} ms"
            f" | {median(turn.p99):.2f} ms | {median(turn.p999):.2f} ms | {median(turn.cpu):.0f} µs | {signature:.0f} µs | {share} | {turn.failures} |"
        )
    return "\n".join(lines)


def raw_table(raw):
    lines = ["| key | signatures a second, one thread | CPU a signature | all cores | CPU a signature |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(name for name, _ in raw):
        cells = [raw.get((name, threads)) for threads in (1, CORES)]
        columns = " | ".join(f"{cell[0]:.0f} | {cell[1]:.0f} µs" if cell else "– | –" for cell in cells)
        lines.append(f"| {name} | {columns} |")
    return "\n".join(lines)


def overload(server, _work):
    """Goodput at four times what 64 connections give, requests coming at a fixed rate."""
    lines = ["| load | tokens a second | of the peak | p50 | p99 | refused or failed |", "|---|---|---|---|---|---|"]
    peaks = [server.bench(P256, "--connections", 64, "--seconds", 2) for _ in range(3)]
    peak = statistics.median(report["tokensPerSecond"] for report in peaks)
    loads = [("64 connections, as fast as they are answered", ["--connections", 64])]
    loads += [(f"{times} times the peak, {connections} connections", ["--rate", int(times * peak), "--connections", connections])
              for times, connections in ((1, 256), (4, 256), (4, 1024))]
    for name, options in loads:
        reports = [server.bench(P256, *options, "--seconds", 2) for _ in range(3)]
        rate = statistics.median(report["tokensPerSecond"] for report in reports)
        p50, p99 = (statistics.median(report["latencyMilliseconds"][q] for report in reports) for q in ("p50", "p99"))
        lines.append(f"| {name} | {rate:.0f} | {rate / peak:.2f} | {p50:.1f} ms | {p99:.1f} ms | {sum(r['failures'] for r in reports)} |")
    return "\n".join(lines)


def memory(server, _work):
    lines = ["| tokens | resident memory |", "|---|---|"]
    # The highest so far is forgotten: it was that of other measurements (proc(5), clear_refs).
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    for step in range(HUNDRED_THOUSANDS):
        server.bench(P256, "--connections", 64, "--requests", 100_000)
        lines.append(f"| {step + 1}00 000 more | {server.memory_kib('VmRSS') / 1024:.1f} MiB |")
    lines.append(f"| the most at any time | {server.memory_kib('VmHWM') / 1024:.1f} MiB |")
    return "\n".join(lines)


# Where a sample belongs: the first pattern that any of its functions matches.
PARTS = [
    ("token: C_SignInit", r"fn_sign_init"),
    ("token: C_Sign (ECDSA itself)", r"fn_sign\b|ossl_ecdsa"),
    ("pool and cryptoki", r"attestamp_hsm|cryptoki"),
    ("log", r"tracing|attestamp::log|stdio"),
    ("ledger: write and sync", r"fdatasync|pwrite|ext4|fsync"),
    ("ledger: record and commit", r"attestamp_ledger|attestamp::ledger"),
    ("sending the reply (writev)", r"writev|tcp_sendmsg"),
    ("receiving", r"recv"),
    ("waiting for events", r"epoll|park|futex|finish_task_switch|schedule"),
    ("request: DER, decision, token", r"attestamp_tsa|attestamp::issue|router::answer"),
    ("HTTP", r"hyper|attestamp::http"),
    ("runtime", r"tokio"),
]


def where_time_goes(server, work):
    """A table by `perf`; a word why not where there is none."""
    if shutil.which("perf") is None:
        return "`perf` is not installed here."
    data = work / "perf.data"
    load = subprocess.Popen(
        [str(ATTESTAMP), "bench", f"{server.url}/tsa/default", "--connections", "16", "--seconds", "7", "--json"],
        stdout=subprocess.PIPE, text=True,
    )
    time.sleep(1)
    recorded = subprocess.run(
        ["perf", "record", "-q", "-F", "799", "--call-graph", "dwarf,8192", "-p", str(server.process.pid), "-o", str(data), "--", "sleep", "4"],
        capture_output=True, text=True,
    )
    load.communicate()
    if recorded.returncode != 0:
        return f"`perf record` is not permitted here: {recorded.stderr.strip().splitlines()[-1:]}."
    cpu = statistics.median(server.bench(P256, "--connections", 16, "--seconds", SECONDS)["serverCpuMicrosecondsPerToken"] for _ in range(TURNS))
    script = run(["perf", "script", "-i", data, "--no-inline", "-F", "comm,ip,sym"])
    counts = Counter()
    for sample in script.split("\n\n"):
        stack = "\n".join(sample.splitlines()[1:])
        if stack:
            counts[next((name for name, pattern in PARTS if re.search(pattern, stack)), "other")] += 1
    total = sum(counts.values())
    lines = ["| part | share | of a token's CPU time |", "|---|---|---|"]
    for name, count in counts.most_common():
        lines.append(f"| {name} | {100 * count / total:.0f} % | {cpu * count / total:.1f} µs |")
    return "\n".join(lines)


def slow_hsm(_server, _work):
    out = run([ROOT / "scripts" / "bench-slow-hsm.sh"])
    return f"```text\n{out.strip()}\n```"


def self_check(_server, _work):
    # The program that is built already: another selection of packages would build the token again, with other features.
    out = run([ROOT / "scripts" / "bench-self-check.sh"], os.environ | {"ATTESTAMP_PROGRAM": str(ATTESTAMP)})
    return f"```text\n{out.strip()}\n```"


# What is measured with the first table's server that keeps its ledger, or with servers of its own.
# Memory comes first: what a thousand connections took is given back slowly.
WITH_SERVER = {"memory": memory, "profile": where_time_goes, "overload": overload}
ALONE = {"slow-hsm": slow_hsm, "self-check": self_check}
TOKENS = {"embedded": "embedded token", "softhsm2": "SoftHSM2"}


class Kept:
    """What was measured, in a file a section."""

    def __init__(self):
        self.folder = TARGET / "benchmarks"
        self.folder.mkdir(parents=True, exist_ok=True)

    def put(self, section, value):
        day = time.strftime("%Y-%m-%d", time.gmtime())
        (self.folder / f"{section}.json").write_text(json.dumps({"day": day, "value": value}))

    def get(self, section):
        path = self.folder / f"{section}.json"
        return json.loads(path.read_text())["value"] if path.exists() else "Not measured."

    def days(self):
        return sorted({json.loads(path.read_text())["day"] for path in self.folder.glob("*.json")})


def document(kept):
    model = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    gibibytes = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / 1048576
    version = run([ATTESTAMP, "--version"]).split()[-1]
    remarks = (ROOT / "docs" / "benchmarks-remarks.md").read_text().strip()
    tokens = "\n\n".join(kept.get(section) for section in TOKENS)
    return f"""# Benchmarks

Written by `make bench` (`scripts/bench.py`) on {" and ".join(kept.days())}, version {version}; the remarks at the end are kept in `docs/benchmarks-remarks.md`.

Machine: {CORES} cores, {model.group(1) if model else "processor not named"}, {gibibytes:.0f} GiB; {platform.system()} {platform.release().split("-")[0]}, {run(["rustc", "--version"]).split(" (")[0].strip()}, {run(["openssl", "version"]).split(" (")[0].strip()}.
Client and server share these cores, so the rates are lower than with a client elsewhere. The CPU time is the server's alone, user and
system, of all its threads (`/proc/PID/stat`).

For each row the token's pool alone, `openssl speed` on one core, a server that keeps its ledger and one that keeps none take turns;
all figures are medians of the turns. The load is closed-loop (`attestamp bench`): each connection (HTTP/1.1, kept alive) sends its
next request when it has the answer to its last one, each request has its own hash value and nonce, and every reply is compared with them.

{tokens}

## Where the time of a P-256 token goes

Embedded token, ledger on, 16 connections; `perf record` of all of the server's threads, each sample counted once.

{kept.get("profile")}

## More than it can do

Embedded token, P-256, ledger on. At a fixed rate requests are due whatever the server does, and a latency counts from the moment at which a request
was due (`attestamp bench --rate`).

{kept.get("overload")}

## Memory

The server of the first table with its ledger, P-256, 64 connections (`attestamp bench --requests 100000`, again and again):

{kept.get("memory")}

## A slow HSM

SoftHSM2 behind a module that takes 5 ms for each signature, 32 sessions: 6400 signatures a second would be possible if SoftHSM2 itself took nothing
(`scripts/bench-slow-hsm.sh`).

{kept.get("slow-hsm")}

## Verifying each token before it leaves

Microseconds of server CPU a token with `verify-before-release` at its default and at `"always"` (`scripts/bench-self-check.sh`):

{kept.get("self-check")}

{remarks}
"""


def token_section(name, rows, raw, speed):
    lines = "\n".join(f"| {key} | {rate:.0f} |" for key, rate in speed.items())
    return f"""## {name[0].upper() + name[1:]}

{TURNS} turns of {SECONDS} s each:

{table_of(rows)}

The token alone, in the same minutes:

{raw_table(raw)}

`openssl speed`, signatures a second on one core, in the same minutes:

| key | signatures a second |
|---|---|
{lines}"""


def measure_token(section, wanted, kept, work):
    """The token's own section, if it is wanted, and what is measured with its server."""
    name, environment = TOKENS[section], dict(os.environ)
    beside = [other for other in WITH_SERVER if other in wanted] if section == "embedded" else []
    if section not in wanted and not beside:
        return
    if name == "SoftHSM2":
        if SOFTHSM is None:
            print("SoftHSM2 is not installed: its table is left out", file=sys.stderr)
            return
        (work / "softhsm").mkdir()
        (work / "softhsm.conf").write_text(f"directories.tokendir = {work}/softhsm\nlog.level = ERROR\n")
        environment["SOFTHSM2_CONF"] = str(work / "softhsm.conf")
    servers = {ledger: Server(work, f"{section}-{ledger}", name, environment, ledger == "on") for ledger in ("on", "off")}
    try:
        if section in wanted:
            kept.put(section, token_section(name, *measure(name, servers, environment)))
        for other in beside:
            print(f"measuring {other}", file=sys.stderr)
            kept.put(other, WITH_SERVER[other](servers["on"], work))
    finally:
        for server in servers.values():
            server.stop()


def main():
    every = [*TOKENS, *WITH_SERVER, *ALONE]
    wanted = sys.argv[1:] or every
    if unknown := [section for section in wanted if section not in every]:
        sys.exit(f"no section is called {' or '.join(unknown)}: {' '.join(every)}")
    cargo = os.environ.get("CARGO", "cargo")
    # All at once: another selection of packages would build the token again, with other features.
    build = [cargo, "build", "--release", "--locked", "--workspace", "--lib", "--bins", "--example", "raw_rate"]
    subprocess.run(build, cwd=ROOT, check=True)
    kept = Kept()
    with tempfile.TemporaryDirectory() as folder:
        for section in TOKENS:
            measure_token(section, wanted, kept, Path(folder))
    for section in ALONE:
        if section in wanted:
            print(f"measuring {section}", file=sys.stderr)
            kept.put(section, ALONE[section](None, None))
    DOCUMENT.write_text(document(kept))
    print(f"wrote {DOCUMENT.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
