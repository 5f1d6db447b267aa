"""Models beside each other: bits per parameter, whatever their architecture and optimiser."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import capacity_plot, forest, style
from ..measurements.columns import add_columns
from ..measurements.spec_columns import PLAIN
from ..specs import FULL_PRECISION
from ..statistics.compare import capacity_ratio, ratio_interval
from ..statistics.intervals import Interval
from ..statistics.pairing import pair_seeds

ALIKE = 1.02  # times as many parameters, or fewer, has a GPT-2 of the same size


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models at full precision, the best first, with R of each seed and the interval of their mean.

    over_gpt2, over_low, over_high: that R over the R of the GPT-2 of the same size, by AdamW, and its interval; NaN
    where there is none.
    """
    rows = add_columns(rows[rows.variant == FULL_PRECISION])
    plain = rows[_is_plain_gpt2(rows) & (rows.training == PLAIN)]
    spread = pd.DataFrame(
        {**dict(zip(capacity_plot.SPEC, key, strict=True)), **_seed_interval(group, plain)}
        for key, group in rows.groupby(capacity_plot.SPEC, dropna=False)
    )
    joined = capacity_plot.summarize_seeds(rows).merge(spread, on=capacity_plot.SPEC)
    return joined.sort_values([*forest.PANEL, "ratio"], ascending=False, ignore_index=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each kind and number of people and of exposures, with a line for each model."""
    figure, panels = forest.open_panels(points, 1.5 * style.COLUMN, line=0.28, rest=0.5)
    colours = style.assign_colors(sorted(points.optimizer.unique()))
    for ax, group in panels:
        _draw_panel(ax, group, colours)
    ax.set_xlim(min(0, 1.1 * points.low.min()), 1.05 * points.high.max())
    ax.set_xlabel("bits per parameter")
    plain = [_is_plain_gpt2(group).sum() == 1 for _, group in panels]
    style.write_key(
        figure,
        [
            "bars: 95 % intervals of the mean over seeds",
            "small dots: seeds",
            capacity_plot.hollow_key(points),
        ],
        [
            "dashed: GPT-2 with AdamW" if any(plain) else "",
            "right: bits per parameter, and the most that there are",
        ],
    )
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    return capacity_plot.describe_figure(points, "Bits per parameter of models beside each other")


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    ratio = "{:z.2f}".format
    return pd.DataFrame(
        {
            "data": [f"{row.kind} of {row.n_people}" for row in points.itertuples()],
            "exposures": points.exposures,
            "model": points.architecture,
            "optimiser": points.optimizer,
            "parameters": points.n_parameters.map("{:z,.0f}".format),
            "R": points.ratio.map(ratio),
            "95 % interval": points.low.map(ratio) + " to " + points.high.map(ratio),
            "at most": points.ratio_max.map(ratio),
            "R over that of GPT-2": [_format_over(row) for _, row in points.iterrows()],
            "seeds": points.seeds,
        }
    )


def _seed_interval(rows: pd.DataFrame, plain: pd.DataFrame) -> dict[str, Any]:
    """plain: GPT-2 of every size."""
    _, low, high = capacity_ratio(rows)
    found = {"low": low, "high": high, "ratios": list(rows.capacity_ratio), "qat": rows.qat.iloc[0]}
    over = _over_gpt2(rows, plain) or (math.nan,) * 3
    return {**found, **dict(zip(("over_gpt2", "over_low", "over_high"), over, strict=True))}


def _over_gpt2(rows: pd.DataFrame, plain: pd.DataFrame) -> Interval | None:
    """R of a model over that of the one GPT-2 of its size, by the seeds that both have."""
    one = rows.iloc[0]
    near = plain.n_parameters.between(one.n_parameters / ALIKE, one.n_parameters * ALIKE)
    same = plain[near & (plain.dataset == one.dataset) & (plain.exposures == one.exposures)]
    if same.run.isin(rows.run).any() or same.groupby(["architecture", "recipe"]).ngroups != 1:
        return None
    pair = pair_seeds({}, rows, same)
    return ratio_interval([pair]) if pair.seeds else None


def _is_plain_gpt2(rows: pd.DataFrame) -> "pd.Series[bool]":
    return (rows.family == "gpt2") & (rows.optimizer == "adamw") & rows.qat.isna()


def _format_over(row: pd.Series) -> str:
    if math.isnan(row.over_gpt2):
        return ""
    return f"{row.over_gpt2:z.2f} ({row.over_low:z.2f} to {row.over_high:z.2f})"


def _draw_panel(ax: Axes, group: pd.DataFrame, colours: style.Colours) -> None:
    """A line for each model: its name, R with its interval and its seeds, and R of R_max in numbers."""
    plain = group[_is_plain_gpt2(group)]
    if len(plain) == 1:
        ax.axvline(plain.ratio.iloc[0], color="0.7", lw=0.7, ls="--", zorder=0)
    for y, (_, row) in enumerate(group.iterrows()):
        said = f"{row.ratio:z.2f} of {row.ratio_max:z.2f}"
        forest.draw_estimate(ax, y, row, colours[row.optimizer], said, row.data_limited == row.seeds)
    labels = [_model_label(row, len(colours) > 1) for _, row in group.iterrows()]
    labels = [
        f"{said}, qat {at}" if pd.notna(at) else said for said, at in zip(labels, group.qat, strict=True)
    ]
    forest.name_lines(ax, labels)


def _model_label(row: pd.Series, optimizer: bool) -> str:
    name = row.family if pd.isna(row.layers) else f"{row.family} {capacity_plot.size_label(row)}"
    return f"{name}{f', {row.optimizer}' if optimizer else ''}, {row.n_parameters:z,.0f} parameters"
