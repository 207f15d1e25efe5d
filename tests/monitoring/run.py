#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test the rules for Prometheus, and what the exporter prints, by promtool (TAP).

    run.py SOURCE_DIR DIRECTORY

promtool is fetched into DIRECTORY once. Without it the test is skipped as a whole, so that it is
never half a test that passed.
"""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FETCHING = 240

RULES = "monitoring/pvperf.rules.yml"
TESTS = "monitoring/pvperf.rules.test.yml"
METRIC = r"\bpvperf_\w+"


def skip(reason):
    print("1..0 # SKIP " + " ".join(reason.split()))
    sys.exit(0)


def fetch(out):
    try:
        got = subprocess.run(["timeout", str(FETCHING), os.path.join(HERE, "fetch"), out],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        skip("fetch: %s" % error)
    if got.returncode == 124:
        skip("promtool cannot be fetched within %d s" % FETCHING)
    if got.returncode == 77:
        skip(got.stdout)
    if got.returncode != 0:
        print("Bail out! fetch: " + " ".join((got.stdout + got.stderr)[-500:].split()))
        sys.exit(1)
    return os.path.join(out, "promtool")


def read(source, name):
    with open(os.path.join(source, name), encoding="utf-8") as text:
        return text.read()


def promtool(command, text=None):
    """What it has against it. It fails by its status, lint included."""
    got = subprocess.run(command, input=text or "", capture_output=True, text=True, timeout=60, check=False)
    return (got.stdout + got.stderr).splitlines() if got.returncode else []


def check_metrics(source):
    """A rule on a metric that is not there would never fire, and promtool would not know."""
    known = set(re.findall(r"^``(pvperf_\w+)``", read(source, "docs/monitoring.rst"), re.M))
    rules = read(source, RULES)
    used = set()
    for expr in re.findall(r"^ *expr: (.*(?:\n {10,}.*)*)", rules, re.M):
        used |= set(re.findall(METRIC, re.sub(r"[a-z_]+:\w+:\w+|\"[^\"]*\"", "", expr)))
    for metric in sorted(used - known):
        yield "docs/monitoring.rst has no " + metric
    if not used:
        yield "no rule uses a metric"


def check_alerts(source):
    rules, tests, runbook = read(source, RULES), read(source, TESTS), read(source, "docs/runbook.rst")
    alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n\n|\Z)", rules, re.S)
    for name, rule in alerts:
        if not re.search(r"alertname: %s\n +eval_time: \w+\n +exp_alerts:" % name, tests):
            yield name + ": no test in which it fires"
        if not re.search(r"alertname: %s, eval_time: \w+, exp_alerts: \[\]" % name, tests):
            yield name + ": no test in which it does not fire"
        if "runbook_url: docs/runbook.rst#%s" % name.lower() not in rule:
            yield name + ": its runbook_url is not its section"
        if not re.search(r"^%s\n=+$" % name, runbook, re.M):
            yield name + ": docs/runbook.rst has no section of that name"
    for name in re.findall(r"^(Pvperf\w+)\n=+$", runbook, re.M):
        if name not in dict(alerts):
            yield "docs/runbook.rst: there is no alert " + name
    for name in re.findall(r"- record: (\S+)", rules):
        if "expr: " + name not in tests:
            yield name + ": no test of its values"


def main(source, out):
    tool = fetch(out)
    results = [
        ("the rules are valid", promtool(
            [tool, "check", "rules", "--lint=all", "--lint-fatal", os.path.join(source, RULES)])),
        ("alerts fire when they should, records have their values", promtool(
            [tool, "test", "rules", os.path.join(source, TESTS)])),
        ("the metrics exist", list(check_metrics(source))),
        ("all is tested, and in the runbook", list(check_alerts(source))),
    ]
    for path in sorted(glob.glob(os.path.join(source, "tests/unit/exporter/golden/*.txt"))):
        results.append(("the exporter's text, " + os.path.basename(path), promtool(
            [tool, "check", "metrics"], read(source, path))))
    print("1..%d" % len(results))
    for number, (name, against) in enumerate(results, 1):
        for line in against:
            print("# " + line)
        print("%sok %d - %s" % ("not " if against else "", number, name))
    return any(against for _, against in results)


sys.exit(main(*sys.argv[1:]))
