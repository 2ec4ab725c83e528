"""Reads Prometheus expositions with the parser of Prometheus' own Python client, and prints them as JSON.

    read_metrics.py FILE...

That parser forgives much that a scraper of another make would not, so the order of the lines is checked here first: each
family once, its HELP and TYPE before its samples and nothing of another family between them, no series twice. The exit
code is 1 and the line is named where a file does not keep to that. The JSON is a list with an object for each file:
{family: {"type": ..., "samples": [[name, {label: value}, value], ...]}}, with NaN and infinities as strings.
"""

import json
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

COMMENT = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


def check_order(path, text):
    """Raises ValueError with the line that is out of order."""
    seen, series, family, kind, helped = set(), set(), None, None, None
    if not text.endswith("\n"):
        raise ValueError(f"{path}: the last line has no end")
    for number, line in enumerate(text.splitlines(), 1):

        def refuse(why):
            raise ValueError(f"{path}:{number}: {why}: {line}")

        if comment := COMMENT.fullmatch(line):
            word, name, rest = comment.groups()
            if word == "HELP":
                if name in seen:
                    refuse("a family for the second time")
                seen.add(name)
                helped, family = name, None
            else:
                if helped != name:
                    refuse("TYPE without HELP before it")
                if rest not in ("counter", "gauge", "histogram", "summary"):
                    refuse("an unknown type")
                family, kind, helped = name, rest, None
            continue
        sample = SAMPLE.fullmatch(line)
        if not sample:
            refuse("not a line of the format")
        name, labels, _ = sample.groups()
        if family is None or name not in [family + suffix for suffix in SUFFIXES.get(kind, ("",))]:
            refuse("a sample outside its family")
        if (name, labels) in series:
            refuse("a series for the second time")
        series.add((name, labels))
        if kind == "counter" and not name.endswith("_total"):
            refuse("a counter without _total")


def number(value):
    return value if value == value and abs(value) != float("inf") else str(value)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    check_order(path, text)
    families = {}
    for family in text_string_to_metric_families(text):
        samples = [[sample.name, sample.labels, number(sample.value)] for sample in family.samples]
        if family.type == "histogram":
            check_histogram(path, family)
        families[family.name] = {"type": family.type, "samples": samples}
    return families


def check_histogram(path, family):
    """Buckets rise, and the last one is the count."""
    buckets = {}
    for sample in family.samples:
        key = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            bounds = [bound for bound, _ in buckets[key]]
            counts = [count for _, count in buckets[key]]
            if bounds != sorted(bounds) or counts != sorted(counts) or bounds[-1] != float("inf"):
                raise ValueError(f"{path}: the buckets of {family.name} do not rise to +Inf")
            if counts[-1] != sample.value:
                raise ValueError(f"{path}: {family.name} counts {sample.value}, its last bucket {counts[-1]}")


try:
    print(json.dumps([read(path) for path in sys.argv[1:]]))
except ValueError as error:
    sys.exit(str(error))
