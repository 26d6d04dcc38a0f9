"""Draws the results of bench.compare: a bar for each system, a dot for each round."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

# Draws into files, without a window.
matplotlib.use("agg")

import matplotlib.pyplot as plt

OURS, OTHERS, FLOOR = "#1f6f8b", "#b9c0c7", "#e0b155"


def plot(rates: Mapping[str, Sequence[float]], medians: Mapping[str, float], path: Path) -> None:
    """Write a horizontal bar chart of messages per second as PNG, the fastest at the top."""
    names = sorted(medians, key=medians.__getitem__)
    figure, axes = plt.subplots(figsize=(9, 0.7 * len(names) + 1.4), layout="constrained")
    colours = [OURS if name.startswith("ours") else OTHERS for name in names]
    colours = [
        FLOOR if name == "floor" else colour for name, colour in zip(names, colours, strict=True)
    ]
    axes.barh(names, [medians[name] for name in names], color=colours)
    for name in names:
        axes.scatter(rates[name], [name] * len(rates[name]), s=14, color="black", zorder=3)
        end, label = (max(rates[name]), name), f"{medians[name]:,.0f}"
        axes.annotate(label, end, (8, 0), textcoords="offset points", va="center", fontsize=12)
    axes.set_xlabel("messages per second: median of the rounds, each round a dot")
    axes.xaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")
    axes.set_xlim(0, 1.15 * max(max(found) for found in rates.values()))
    axes.tick_params(labelsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
