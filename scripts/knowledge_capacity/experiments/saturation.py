"""The capacity of each architecture: what its models learn of their datasets, and the fit behind it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import style
from ..specs import FULL_PRECISION
from ..statistics import capacities
from ..statistics.capacity_fit import learned_bits
from ..statistics.compare import NOT, format_decimals

PANEL = ["data", "exposures"]
KEY = "dots: runs, hollow where data-limited.  lines: the fit; bands: its 95 % interval for one C"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Every run at full precision, with the fit of its data, design and exposures, or why there is none."""
    rows = capacities.select_usable_rows(rows)
    rows = rows[rows.variant == FULL_PRECISION]
    found = capacities.fit_capacities(rows)
    fits = [found[tuple(row[name] for name in capacities.GROUP)] for _, row in rows.iterrows()]
    return rows.assign(fit=fits).sort_values([*PANEL, "design", "n_parameters", "seed"], ignore_index=True)


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    lines = []
    for _, line in tabulate_points(points).iterrows():
        interval = f" ({line['95 % interval']})" if line["95 % interval"] else ""
        lines.append(
            f"{line['data']}, {line['model']}, {line['exposures']} exposures: {line['bits per parameter']}{interval}"
        )
    return f"Capacity in bits per parameter, from all runs of a kind of model. {'; '.join(lines)}."


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The fits, a line each."""
    lines = []
    for key, group in points.groupby(capacities.GROUP, sort=True):
        fit, (data, design, exposures, _) = group.fit.iloc[0], key
        line = {"data": data, "model": design, "exposures": exposures}
        if isinstance(fit, str):
            lines.append({**line, "bits per parameter": NOT, "95 % interval": "", "remarks": fit})
            continue
        both = fit.determined
        least = fit.bound == "low" and fit.capacity.low > 0
        low, high = format_decimals(fit.capacity.low), format_decimals(fit.capacity.high)
        lines.append(
            {
                **line,
                "bits per parameter": format_decimals(fit.capacity.mean)
                if both
                else f"at least {low}"
                if least
                else NOT,
                "95 % interval": f"{low} to {high}" if both else "",
                "sharpness k": f"{fit.sharpness:z.1f}" if both and fit.shaped else "",
                "spread of runs": f"{100 * fit.spread:z.0f} %" if both and fit.shaped else "",
                "runs": f"{fit.runs + fit.nothing}",
                "data-limited": f"{fit.limited}",
                "remarks": " ".join(fit.warnings),
            }
        )
    return pd.DataFrame(lines).fillna("")


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each kind of facts and number of exposures: bits learned over bits there are, against P over these.

    So runs on datasets of any size lie on one curve: C·P/B at first, then 1.
    """
    style.apply_style()
    panels = list(points.groupby(PANEL))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(style.COLUMN * len(panels), style.COLUMN), squeeze=False, sharey=True
    )
    colours = style.assign_colors(sorted(points.design.unique()))
    names = capacities.shorten_data_names(points.data)
    for ax, ((data, exposures), group) in zip(axes[0], panels, strict=True):
        ax.set_title(f"{names[data]}, {exposures} exposures")
        ax.set_xlabel("parameters per bit of the dataset")
        for design, runs in group.groupby("design"):
            _draw_fit(ax, runs[runs.bits_learned > 0], str(design), colours[str(design)])
        if (group.bits_learned > 0).any():
            style.set_log_axes(ax)
            ax.legend(frameon=False, loc="lower right")
    axes[0][0].set_ylabel("bits learned, of those there are")
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def _draw_fit(ax: Axes, runs: pd.DataFrame, design: str, colour: tuple[float, float, float]) -> None:
    load, share = runs.n_parameters / runs.bits_max, runs.bits_learned / runs.bits_max
    limited = runs.data_limited.astype(bool)
    ax.plot(load[~limited], share[~limited], "o", ms=3.5, color=colour)
    ax.plot(load[limited], share[limited], "o", ms=3.5, color=colour, mfc="white")
    fit, label = runs.fit.iloc[0] if len(runs) else "", design
    if capacities.is_determined(fit):
        x = np.geomspace(load.min() / 1.3, load.max() * 1.3, 100)
        low, middle, high = (
            learned_bits(c, x, np.ones_like(x), fit.sharpness)
            for c in (fit.capacity.low, fit.capacity.mean, fit.capacity.high)
        )
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(x, middle, "-", color=colour, lw=1)
        label = "{}: C = {} ({} to {})".format(design, *map(format_decimals, fit.capacity))
    ax.plot([], [], "-o", ms=3.5, color=colour, label=label)
