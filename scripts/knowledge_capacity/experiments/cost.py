"""What an estimate costs: the interval of an architecture's capacity against the compute spent on its runs."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import style
from ..files import UserError
from ..specs import FULL_PRECISION
from ..statistics import capacities
from ..statistics.capacity_fit import Fit, fit_capacity

SERIES = ["data", "design", "exposures"]
NOTHING = "No capacity has two ends yet, whatever runs are taken. More sizes or more seeds would give it."
KEY = "runs are added seed by seed, small models first.  dots: where there are ends on both sides"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """For each kind of facts, design and exposures, runs added one by one: FLOPs so far, and the capacity they tell.

    Only where the runs of a fit end in an interval with two ends.
    """
    rows = rows[rows.variant == FULL_PRECISION]
    found: list[dict[str, object]] = []
    for key, group in rows.groupby(SERIES, sort=True):
        group = group.sort_values(["seed", "n_parameters", "n_people"], kind="stable")
        observations = capacities.build_observations(group)
        for n in range(2, len(group) + 1):
            try:
                told = fit_capacity(observations[:n])
            except UserError:
                continue
            if isinstance(told, Fit) and told.bound == "both" and told.capacity.low > 0:
                named = dict(zip(SERIES, key, strict=True))
                size = {"runs": n, "of": len(group), "flops": group.train_flops.head(n).sum()}
                found.append(
                    {
                        **named,
                        **size,
                        "capacity": told.capacity.mean,
                        "low": told.capacity.low,
                        "high": told.capacity.high,
                    }
                )
    return pd.DataFrame(found)


def draw_figure(points: pd.DataFrame) -> Figure:
    """Above, the capacity with its interval; below, how many times its upper end is its lower one."""
    style.apply_style()
    figure, axes = plt.subplots(2, 1, figsize=(1.4 * style.COLUMN, 1.7 * style.COLUMN), sharex=True)
    short = capacities.shorten_data_names(points.data)
    keys = [key for key, _ in points.groupby(SERIES)]
    names = [f"{short[data]}, {design}, {exposures} exposures" for data, design, exposures in keys]
    colours = style.assign_colors(names)
    for name, (_, group) in zip(names, points.groupby(SERIES), strict=True):
        axes[0].fill_between(group.flops, group.low, group.high, color=colours[name], alpha=0.15, lw=0)
        axes[0].plot(group.flops, group.capacity, "-o", ms=3, lw=0.8, color=colours[name], label=name)
        axes[1].plot(group.flops, group.high / group.low, "-o", ms=3, lw=0.8, color=colours[name])
    axes[0].set_ylabel("capacity (bits per parameter)")
    axes[0].set_ylim(0, 1.6 * points.capacity.max())
    axes[1].set_ylabel("upper over lower end")
    axes[1].set_yscale("log", base=2)
    axes[1].yaxis.set_major_formatter(style.format_with_suffix)
    axes[1].set_xscale("log")
    axes[1].set_xlabel("training so far (FLOPs)")
    axes[0].legend(frameon=False, loc="upper left")
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    lines = []
    for key, group in points.groupby(SERIES):
        first, last = group.iloc[0], group.iloc[-1]
        lines.append(
            f"{', '.join(map(str, key))} exposures: from {first.low:z.2f} to {first.high:z.2f} after {first.runs} runs "
            f"({first.flops:.2g} FLOPs) to {last.low:z.2f} to {last.high:z.2f} after {last.runs} ({last.flops:.2g})."
        )
    return " ".join(["How the interval of a capacity shrinks as runs are added.", *lines])


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    shown = points[SERIES].rename(columns={"design": "model"})
    return shown.assign(
        runs=points.runs,
        FLOPs=points.flops.map("{:.3g}".format),
        capacity=points.capacity.map("{:z.3f}".format),
        interval=points.low.map("{:z.3f}".format) + " to " + points.high.map("{:z.3f}".format),
    )
