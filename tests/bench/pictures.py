#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of what compare.py and growth.py wrote; needs matplotlib (setup_peers.sh has it).

    pictures.py bench.json growth.json [--out FOLDER]

bench.json gives ratios.svg (bars) and roofline.svg, growth.json gives growth.svg.
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.fonttype"] = "none"  # letters stay letters
from matplotlib import pyplot  # noqa: E402

import points  # noqa: E402

COLORS = {"normd": "#1b6ca8", "PyTorch": "#d95f02", "oneDNN": "#7a7a7a", "copy": "black"}
TITLES = {"train_forward": "train forward", "eval_forward": "eval forward",
          "forward_backward": "forward + backward"}


def groups(rows):
    """The panels of a picture: (type, threads) as its rows, operations as its columns."""
    lines = list(dict.fromkeys((row["dtype"], row["threads"]) for row in rows))
    operations = [name for name in points.OPERATIONS if any(row["operation"] == name for row in rows)]
    return lines, operations


def chosen(rows, line, operation):
    return [row for row in rows
            if (row["dtype"], row["threads"]) == line and row["operation"] == operation]


def draw_bars(axes, rows, operation):
    labels = [f"{points.name(row['shape'])}{' ' + row['layout'] if len(row['shape']) > 2 else ''}"
              for row in rows]
    at = range(len(rows))
    for offset, name in ((-0.2, "PyTorch"), (0.2, "oneDNN")):
        # Bars start at 1, so that they point to who is faster.
        lengths = [row["peers"][name]["median"] / row["ours"]["median"] - 1 if name in row["peers"]
                   else 0 for row in rows]
        axes.barh([place + offset for place in at], lengths, 0.4, left=1, color=COLORS[name],
                  label=name)
    axes.axvline(1, color="black", linewidth=1)
    axes.axvline(points.GOALS[operation], color="green", linewidth=1, linestyle="--")
    axes.set_xscale("log", base=2)
    axes.set_xlim(left=min(0.5, axes.get_xlim()[0]), right=max(4, axes.get_xlim()[1]))
    axes.set_yticks(list(at), labels, fontsize=7)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:g}x")


def draw_ratios(results, path):
    lines, operations = groups(results["rows"])
    figure, panels = pyplot.subplots(len(lines), len(operations), squeeze=False, sharey="row",
                                     figsize=(5 * len(operations) + 1, 4.2 * len(lines)))
    for line, row_of_panels in zip(lines, panels):
        for operation, axes in zip(operations, row_of_panels):
            draw_bars(axes, chosen(results["rows"], line, operation), operation)
            axes.set_title(f"{TITLES[operation]}, {line[0]}, {line[1]} threads", fontsize=9)
    panels[0][0].legend(fontsize=8)
    figure.supxlabel("time of the peer in its better layout / ours; dashed: the goal of the mean")
    figure.tight_layout()
    figure.savefig(path)


def draw_roof(axes, rows, operation):
    """Bytes that must move in a second, against the size of the batch: the copy is the roof, and the
    dotted line what it would be for the operation's own share of reads."""
    rows = sorted(rows, key=lambda row: row["bytes"])
    sizes = [row["bytes"] for row in rows]
    passes = points.PASSES[operation][1]
    axes.plot(sizes, [2e-9 * row["bytes"] / row["copy"]["median"] for row in rows],
              color=COLORS["copy"], linewidth=1, label="copy")
    axes.plot(sizes, [1e-9 * passes * row["bytes"] / (row["bound_memory"] * row["ours"]["median"])
                      for row in rows], ":", color=COLORS["copy"], linewidth=1, label="bound")
    for name, marker in (("PyTorch", "v"), ("oneDNN", "s")):
        pairs = [(row["bytes"], row["peers"][name]["median"]) for row in rows if name in row["peers"]]
        axes.plot([size for size, _ in pairs], [1e-9 * passes * size / time for size, time in pairs],
                  marker, color=COLORS[name], markersize=4, label=name)
    for layout, marker in (("first", "o"), ("last", "x")):
        pairs = [(row["bytes"], row["ours"]["median"]) for row in rows if row["layout"] == layout]
        axes.plot([size for size, _ in pairs], [1e-9 * passes * size / time for size, time in pairs],
                  marker, color=COLORS["normd"], markersize=6, label=f"normd, {layout}")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)


def draw_roofline(results, path):
    lines, operations = groups(results["rows"])
    figure, panels = pyplot.subplots(len(lines), len(operations), squeeze=False, sharey=True,
                                     figsize=(4.5 * len(operations) + 1, 3.6 * len(lines)))
    for line, row_of_panels in zip(lines, panels):
        for operation, axes in zip(operations, row_of_panels):
            draw_roof(axes, chosen(results["rows"], line, operation), operation)
            axes.set_title(f"{TITLES[operation]}, {line[0]}, {line[1]} threads", fontsize=9)
    panels[0][0].legend(fontsize=7)
    figure.supxlabel("bytes of the batch")
    figure.supylabel("GB/s, bytes counted as without a cache")
    figure.tight_layout()
    figure.savefig(path)


def draw_growth(results, path):
    families = results["families"]
    figure, panels = pyplot.subplots(1, len(families), squeeze=False, sharey=True,
                                     figsize=(5 * len(families) + 1, 4.5))
    for (name, sizes), axes in zip(families.items(), panels[0]):
        for operation in sizes[0]["nanoseconds"]:
            axes.plot([size["values"] for size in sizes],
                      [size["nanoseconds"][operation] for size in sizes],
                      ".-", markersize=3, linewidth=0.8, label=TITLES.get(operation, operation))
        axes.set_title(f"{name}, {results['dtype']}, {results['threads']} threads", fontsize=9)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
    panels[0][0].legend(fontsize=8)
    figure.supxlabel("values in the batch")
    figure.supylabel("nanoseconds a value")
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for file in options.files:
        results = json.loads(file.read_text(encoding="utf-8"))
        if "families" in results:
            draw_growth(results, options.out / "growth.svg")
        else:
            draw_ratios(results, options.out / "ratios.svg")
            draw_roofline(results, options.out / "roofline.svg")


if __name__ == "__main__":
    main()
