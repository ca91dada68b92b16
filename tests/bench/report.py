# SPDX-License-Identifier: Apache-2.0
"""The table of compare.py as text, and its geometric means.

    report.py FILE.json      the same as Markdown, a table for each type and number of threads
"""

import json
import math
import sys
from pathlib import Path

import points

COLUMNS = [
    ("T", 1), ("type", 8), ("operation", 16), ("shape", 17), ("layout", 6), ("ours ms", 9),
    ("PyTorch", 9), ("oneDNN", 9), ("ratio", 5), ("same", 5),
    ("GB/s", 6), ("copy", 6), ("share", 11), ("bound", 11), ("noise", 5),
]


def join(cells):
    return "  ".join(str(cell).ljust(width) if index < 5 else str(cell).rjust(width)
                     for index, (cell, (_, width)) in enumerate(zip(cells, COLUMNS)))


def head():
    return join([title for title, _ in COLUMNS])


def milliseconds(summary):
    if summary is None:
        return "-"
    mark = "" if summary["layout"] == "first" else "'"
    return f"{1e3 * summary['median']:.4g}{mark}"


def times(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def shares(row, name):
    return f"{row[name + '_cached']:.0%}|{row[name + '_memory']:.0%}"


def line(row):
    """Shares: of the copy's bandwidth and of the bound, for cached tiles | for tiles that are not."""
    passes = points.PASSES[row["operation"]][1]
    moved = passes * row["bytes"] / row["ours"]["median"]
    roof = 2 * row["bytes"] / row["copy"]["median"]
    noise = max(one["disturbed"] for one in [row["ours"], row["copy"], *row["peers"].values()])
    mark = "*" if noise > row["quiet"] else ""
    return join([
        row["threads"], row["dtype"], row["operation"], points.name(row["shape"]), row["layout"],
        f"{1e3 * row['ours']['median']:.4g}", milliseconds(row["peers"].get("PyTorch")),
        milliseconds(row["peers"].get("oneDNN")), times(row["ratio"]), times(row["ratio_same_layout"]),
        f"{moved / 1e9:.1f}", f"{roof / 1e9:.1f}", shares(row, "share"), shares(row, "bound"),
        f"{noise:.0%}{mark}",
    ])


def geometric_mean(numbers):
    return math.exp(sum(math.log(number) for number in numbers) / len(numbers))


def means(rows):
    """Of the ratios, for each type, number of threads and operation; with the least one."""
    found = []
    keys = dict.fromkeys((row["dtype"], row["threads"], row["operation"]) for row in rows)
    for dtype, threads, operation in keys:
        chosen = [row for row in rows
                  if (row["dtype"], row["threads"], row["operation"]) == (dtype, threads, operation)
                  and row["ratio"] is not None]
        if chosen:
            least = min(chosen, key=lambda row: row["ratio"])
            found.append({
                "dtype": dtype, "threads": threads, "operation": operation,
                "mean": geometric_mean([row["ratio"] for row in chosen]), "least": least["ratio"],
                "least_at": f"{points.name(least['shape'])} {least['layout']}",
            })
    return found


def scaling(rows):
    """How much faster two threads are than one, ours and the copy."""
    times = {(row["dtype"], row["operation"], tuple(row["shape"]), row["layout"], row["threads"]): row
             for row in rows}
    for key, one in times.items():
        two = times.get((*key[:4], 2))
        if key[4] == 1 and two is not None:
            ours = one["ours"]["median"] / two["ours"]["median"]
            copy = one["copy"]["median"] / two["copy"]["median"]
            yield (f"  {key[0]}  {key[1]:16}  {points.name(key[2]):17}  {key[3]:5}  "
                   f"ours {ours:.2f}x  copy {copy:.2f}x")


def foot(results):
    lines = ["", "Geometric means of the ratios (fastest peer / ours):"]
    for mean in results["means"]:
        goal = points.GOALS[mean["operation"]]
        lines.append(f"  {mean['dtype']}  {mean['operation']:16}  {mean['threads']} threads  "
                     f"{mean['mean']:.2f}  (goal {goal:.0f})  least {mean['least']:.2f} at {mean['least_at']}")
    steps = list(scaling(results["rows"]))
    if steps:
        lines += ["", "Two threads against one:", *steps]
    if results["absent"]:
        lines += ["", "Not there yet:", *(f"  {text}" for text in dict.fromkeys(results["absent"]))]
    lines.append(f"\n{', '.join(results['programs'].values())}; load {results['load_before'][0]:.1f}"
                 f" before, {results['load_after'][0]:.1f} after")
    return "\n".join(lines)


TITLES = {"train_forward": "train", "eval_forward": "eval", "forward_backward": "fwd+bwd"}


def cell(row):
    """Milliseconds, how many times as long the fastest peer takes, and the share of the copy."""
    return f"{1e3 * row['ours']['median']:.3g} · {row['ratio']:.2f} · {row['share_memory']:.0%}"


def markdown_table(rows):
    found = {}
    for row in rows:
        found.setdefault((tuple(row["shape"]), row["layout"]), {})[row["operation"]] = row
    yield "| shape | layout | " + " | ".join(TITLES.values()) + " |"
    yield "|---" * (2 + len(TITLES)) + "|"
    for (shape, layout), cells in found.items():
        place = layout if len(shape) > 2 else ""
        texts = [cell(cells[operation]) if operation in cells else "" for operation in TITLES]
        yield f"| {points.name(shape)} | {place} | " + " | ".join(texts) + " |"


def better_layouts(rows):
    """Of each shape the row of our faster layout, as the peers' counts."""
    best = {}
    for row in rows:
        key = tuple(row["shape"])
        if key not in best or row["ratio"] > best[key]["ratio"]:
            best[key] = row
    return list(best.values())


def markdown(results):
    keys = dict.fromkeys((row["dtype"], row["threads"]) for row in results["rows"])
    for dtype, threads in keys:
        rows = [row for row in results["rows"] if (row["dtype"], row["threads"]) == (dtype, threads)
                and row["ratio"] is not None]
        yield f"### {dtype}, {threads} thread{'s' if threads > 1 else ''}\n"
        yield from markdown_table(rows)
        yield "\nGeometric means of the ratios, over all rows and over the better of our layouts:\n"
        for operation, title in TITLES.items():
            chosen = [row for row in rows if row["operation"] == operation]
            better = better_layouts(chosen)
            if chosen:
                yield (f"- {title}: {geometric_mean([row['ratio'] for row in chosen]):.2f} and "
                       f"{geometric_mean([row['ratio'] for row in better]):.2f}; the least of the latter "
                       f"{min(row['ratio'] for row in better):.2f}")
        yield ""


if __name__ == "__main__":
    print("\n".join(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
