# SPDX-License-Identifier: Apache-2.0
"""What durability_cost.py measured, as lines while it runs and as Markdown.

    durability_report.py FILE.json
"""

import json
import math
import statistics
import sys
from pathlib import Path

MODES = ["no", "everysec", "always"]
TITLES = {
    "steps": "Steps a second, (256, 1024) batch norm",
    "adam": "Steps a second, 784-1024-1024-10 with Adam, batches of 256",
}


def line(row):
    mode = row["mode"] or "in memory"
    once = ", client + seq" if row["once"] else ""
    return (f"{row['group']:8} {row['name']:32} {row['clients']:>4} clients  {row['program'] + ' ' + mode + once:30} "
            f"{row['rate']:>10.1f}/s  p50 {row['p50_us'] / 1e3:>8.3f} ms  p99 {row['p99_us'] / 1e3:>8.3f} ms  "
            f"{row['server_us']:>8.1f} us each  server {row['server_cpu']:.2f} load {row['load_cpu']:.2f} "
            f"others {row['others']:.2f} CPUs")


def ratio(row, base):
    """The median over the rounds, each turn against the turn of the same round; NaN where no turn
    of the base came to an end of a step."""
    return statistics.median([a["rate"] / b["rate"] for a, b in zip(row["turns"], base["turns"])
                              if b["rate"] > 0] or [math.nan])


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def cell(row, base):
    return f"{number(row['rate'])} · {ratio(row, base):.2f}"


def workloads(rows, group):
    """{(name, clients): {(program, mode, once): row}}"""
    found = {}
    for row in rows:
        if row["group"] == group:
            key = (row["program"], row["mode"], row["once"])
            found.setdefault((row["name"], row["clients"]), {})[key] = row
    return found


def head(*titles):
    yield "| " + " | ".join(titles) + " |"
    yield "|---" * len(titles) + "|"


def steps_table(rows, group):
    """Each mode against memory, without and with client and seq."""
    yield from head("workload", "clients", "in memory", *MODES)
    for (name, clients), lanes in workloads(rows, group).items():
        for once in (False, True):
            base = lanes.get(("normd", None, once))
            if base:
                cells = [cell(lanes["normd", mode, once], base) for mode in MODES]
                title = f"{name}, client + seq" if once else name
                yield f"| {title} | {clients} | {number(base['rate'])} | " + " | ".join(cells) + " |"


def once_table(rows):
    """With client and seq against without."""
    yield from head("workload", "in memory", *MODES)
    for group in TITLES:
        for (name, _), lanes in workloads(rows, group).items():
            if ("normd", None, True) in lanes:
                cells = [f"{ratio(lanes['normd', mode, True], lanes['normd', mode, False]):.2f}"
                         for mode in (None, *MODES)]
                yield f"| {name} | " + " | ".join(cells) + " |"


def commits_table(rows):
    """normd · Redis · their ratio."""
    yield from head("workload", "clients", "in memory", *MODES)
    for (name, clients), lanes in workloads(rows, "commits").items():
        cells = [number(lanes["normd", None, False]["rate"])]
        for mode in MODES:
            ours, theirs = lanes["normd", mode, False], lanes["redis", mode, False]
            cells.append(f"{number(ours['rate'])} · {number(theirs['rate'])} · {ratio(ours, theirs):.2f}")
        yield f"| {name} | {clients} | " + " | ".join(cells) + " |"


def large_steps(rows):
    """The steps of (256, 1024) beside the same SETs, of other rounds."""
    steps, commits = workloads(rows, "steps"), workloads(rows, "commits")
    for (name, clients), lanes in steps.items():
        redis = commits.get(("one session or key a client", clients))
        if redis and name.startswith("train"):
            cells = []
            for mode in MODES:
                ours, theirs = lanes["normd", mode, False]["rate"], redis["redis", mode, False]["rate"]
                cells.append(f"{number(ours)} · {number(theirs)} · {ours / max(theirs, 1e-9):.2f}")
            yield (f"| (256, 1024): {name} | {clients} | {number(lanes['normd', None, False]['rate'])} | "
                   + " | ".join(cells) + " |")


def aims(rows):
    """What was set out to reach, and what came."""
    steps, adam, commits = (workloads(rows, group) for group in ("steps", "adam", "commits"))
    for (name, clients), lanes in steps.items():
        found = ratio(lanes["normd", "no", False], lanes["normd", None, False])
        yield f"- `no` at least 0.85 of in memory, {name}, clients: {clients}: **{found:.2f}**"
    for (name, clients), lanes in commits.items():
        if clients > 1:
            found = ratio(lanes["normd", "always", False], lanes["redis", "always", False])
            yield f"- `always` at least 1.00 of Redis, {name}, clients: {clients}: **{found:.2f}**"
    for (name, clients), lanes in adam.items():
        found = ratio(lanes["normd", "everysec", False], lanes["normd", None, False])
        yield f"- `everysec` at least 0.85 of in memory, {name}, clients: {clients}: **{found:.2f}**"


def use_table(rows):
    """Whether the load was the bottleneck, and how quiet the machine was."""
    yield from head("group", "workload", "clients", "server", "rate", "p50 ms", "p99 ms", "server us a step",
                    "CPUs: server", "load", "others")
    for row in rows:
        lane = f"{row['program']} {row['mode'] or 'in memory'}{', client + seq' if row['once'] else ''}"
        yield (f"| {row['group']} | {row['name']} | {row['clients']} | {lane} | {number(row['rate'])} | "
               f"{row['p50_us'] / 1e3:.3f} | {row['p99_us'] / 1e3:.3f} | {number(row['server_us'])} | "
               f"{row['server_cpu']:.2f} | {row['load_cpu']:.2f} | {row['others']:.2f} |")


MANY = [
    ("created a second", "created_per_second", "{:.0f}", 1),
    ("resident when empty, MB", "resident_empty", "{:.1f}", 1e6),
    ("resident with them, MB", "resident_created", "{:.1f}", 1e6),
    ("resident after each was trained, MB", "resident_trained", "{:.1f}", 1e6),
    ("steps a second over all", "steps_all", "{:.0f}", 1),
    ("steps a second of one", "steps_one", "{:.0f}", 1),
    ("start after kill -9 behind the creation, s", "start_after_kill_created", "{:.3f}", 1),
    ("- journal then, MB", "journal_before_kill_created", "{:.1f}", 1e6),
    ("start after kill -9 in training, s", "start_after_kill_trained", "{:.3f}", 1),
    ("- journal then, MB", "journal_before_kill_trained", "{:.1f}", 1e6),
    ("clean stop, s", "stop_seconds", "{:.3f}", 1),
    ("start after it, s", "start_after_clean_stop", "{:.3f}", 1),
    ("resident after it, MB", "resident_after_clean_stop", "{:.1f}", 1e6),
]


def many_table(many):
    yield from head("", *(one["mode"] or "in memory" for one in many))
    for title, key, form, unit in MANY:
        cells = [form.format(one[key] / unit) if key in one else "-" for one in many]
        yield f"| {title} | " + " | ".join(cells) + " |"
    bytes_each = [(one["resident_trained"] - one["resident_empty"]) / one["sessions"] for one in many]
    yield "| resident for each trained session, KB | " + " | ".join(f"{each / 1e3:.1f}" for each in bytes_each) + " |"
    ratios = [one["steps_all"] / max(one["steps_one"], 1e-9) for one in many]
    yield "| steps over all / of one | " + " | ".join(f"{found:.2f}" for found in ratios) + " |"


def recovery_table(found):
    yield from head("steps in the journal", "steps/s before", "journal, MB", "start, s", "of it recovery, s",
                    "steps/s of the recovery")
    for one in found:
        again = one["steps"] / max(one["recovery_seconds"], 1e-3)
        yield (f"| {one['steps']} | {one['rate']:.1f} | {one['journal_bytes'] / 1e6:.1f} | "
               f"{one['start_seconds']:.2f} | {one['recovery_seconds']:.2f} | {again:.1f} |")


def markdown(results):
    rows = results["rows"]
    yield "## What durability costs\n"
    yield (f"`durability_cost.py`, {results['started']}: {results['cpus']} CPUs for server and load together; "
           f"{results['file_system']}; an append of 16 KiB with its fdatasync takes "
           f"{1e3 * results['sync_seconds']:.2f} ms before and {1e3 * results['sync_seconds_after']:.2f} ms after; "
           f"Redis {results['redis']}. Medians of {results['rounds']} turns of {results['seconds']} s; behind the "
           f"dot the median ratio to the turn in memory of the same round. Load {results['load_before'][0]:.1f} "
           f"before; {results['took']:.0f} s in all.\n")
    if rows:
        yield "### Aims\n"
        yield from aims(rows)
        yield ""
    for group in TITLES:
        if workloads(rows, group):
            yield f"### {TITLES[group]}\n"
            yield from steps_table(rows, group)
            yield ""
    if any(row["once"] for row in rows):
        yield "### Ratio with client and seq to without\n"
        yield from once_table(rows)
        yield ""
    if workloads(rows, "commits"):
        yield f"### Commits a second of {results['commit_bytes']} bytes: normd · Redis SET · ratio\n"
        yield from commits_table(rows)
        yield from large_steps(rows)
        yield ""
    if "many" in results:
        yield f"### {results['many'][0]['sessions']} sessions of 256 features, 16 clients, batches of 64\n"
        yield from many_table(results["many"])
        yield ""
    if "recovery" in results:
        yield "### Start after kill -9 with two seconds of Adam's requests\n"
        yield from recovery_table(results["recovery"])
        yield ""
    if rows:
        yield "### Latencies and use of the processors\n"
        yield from use_table(rows)


if __name__ == "__main__":
    print("\n".join(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
