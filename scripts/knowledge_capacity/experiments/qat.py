"""Training at few bits: what weights hold that are trained as they are stored, or rounded after training."""

import json
from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import capacity_plot, style
from ..measurements.columns import BYTE, add_columns, per_stored_byte
from ..specs import FULL_PRECISION
from ..statistics.compare import capacity_ratio

MODEL = [
    "kind",
    "dataset",
    "n_people",
    "architecture",
    "family",
    "layers",
    "heads",
    "width",
    "exposures",
    "like",
]
STORED = ["way", "variant", "bits", "group_size", "zero_point", "matrices"]
QAT = "qat"
WAYS = {QAT: "trained at these bits (qat)", "rtn": "rounded to nearest after training"}
KEY = f"{capacity_plot.SPAN}.  dashed: as trained, in fp32.  lower values: see the table"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models that some recipe trains at few bits, with those that differ in nothing but that.

    way: how the weights came to be stored so: `qat`, a method used after training, or fp32. per_stored_byte:
    bits learned for each byte that stores them.
    """
    recipes = rows.recipe_spec.map(json.loads)
    specs = rows.variant_spec.map(lambda spec: json.loads(spec) if pd.notna(spec) else {})
    rows = add_columns(rows)
    trained_at = rows.qat
    rows = rows.assign(
        like=recipes.map(_recipe_without_qat), way=specs.map(lambda spec: spec.get("method", FULL_PRECISION))
    )
    for name, missing in (("bits", 32), ("group_size", 0), ("zero_point", False), ("matrices", "layers")):
        rows[name] = specs.map(lambda spec, name=name, missing=missing: spec.get(name, missing))
    at_its_own = trained_at == rows.variant
    rows.loc[at_its_own, "way"] = QAT
    rows = rows[trained_at.isna() | at_its_own]
    if not (rows.way == QAT).any():
        return rows.iloc[:0]
    rows = rows.groupby(MODEL, dropna=False).filter(lambda model: (model.way == QAT).any())
    found = rows.groupby([*MODEL, *STORED], dropna=False).apply(_summarize_seeds).reset_index()
    order = [*MODEL, "matrices", "bits", "group_size", "way"]
    return found.sort_values(order, ignore_index=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """For each model, what a parameter holds at so many bits a code, and below it what a stored byte holds."""
    style.apply_style()
    models = [group for _, group in points.groupby(MODEL, dropna=False)]
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(style.COLUMN * max(len(models), 1.5), 1.8 * style.COLUMN),
        squeeze=False,
        sharex=True,
        sharey="row",
    )
    figure.set_layout_engine("constrained", h_pad=0.07)  # inches, between titles and legend
    colours = style.assign_colors([QAT, *sorted(set(points.way) - {QAT, FULL_PRECISION})])
    for row, shown in zip(axes, ("ratio", "per_stored_byte"), strict=True):
        _set_y_limits(row, points[shown])
    for column, group in enumerate(models):
        one = group.iloc[0]
        name = f"{one.family} {capacity_plot.size_label(one)}" if pd.notna(one.layers) else one.family
        axes[0, column].set_title(f"{name}, {one.dataset.split('-')[0]}, {one.exposures} exposures")
        _draw_panel(axes[0, column], group, "ratio", colours)
        _draw_panel(axes[1, column], group, "per_stored_byte", colours)
        axes[1, column].set_xlabel("bits of a code")
    axes[0, 0].set_ylabel("bits of knowledge per parameter")
    axes[1, 0].set_ylabel("bits of knowledge per stored byte")
    by_label: dict[str, Any] = {}
    for ax in axes[0]:
        by_label |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(by_label.values(), by_label.keys(), loc="outside upper center", ncols=2, frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers: for each number of bits, the best of each way, layers alone."""
    shown = points[(points.way != FULL_PRECISION) & (points.matrices == "layers")]
    lines = []
    for bits, group in shown.groupby("bits", sort=False):
        best = group.groupby("way").ratio.max().sort_values(ascending=False)
        lines.append(f"{bits:z.0f} bits: " + ", ".join(f"{way} {ratio:z.2f}" for way, ratio in best.items()))
    trained = points[points.way == FULL_PRECISION].ratio.max()
    said = f"Bits per parameter of weights stored in few bits; as trained, up to {trained:z.2f}."
    return f"{said} The best of each way with {'; '.join(lines)}."


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    ratio = "{:z.2f}".format
    return pd.DataFrame(
        {
            "dataset": points.dataset,
            "model": points.architecture,
            "exposures": points.exposures,
            "stored as": points.variant,
            "how": points.way.map(lambda way: WAYS.get(way, f"{way} after training")).where(
                points.way != FULL_PRECISION, "as trained"
            ),
            "parameters": points.n_parameters.map("{:z,.0f}".format),
            "bits stored per weight": points.bits_per_weight.map("{:z.1f}".format),
            "R": points.ratio.map(ratio),
            "R of seeds": points.ratio_lowest.map(ratio) + " to " + points.ratio_highest.map(ratio),
            "95 % interval of the mean R": points.low.map(ratio) + " to " + points.high.map(ratio),
            "R_max": points.ratio_max.map(ratio),
            "bits of knowledge per stored byte": points.per_stored_byte.map(ratio),
            "seeds": points.seeds.astype(int),
        }
    )


def _recipe_without_qat(recipe: dict[str, Any]) -> str:
    """A recipe but for how it stores weights and for its learning rate, of which the best one counts."""
    return json.dumps({k: v for k, v in recipe.items() if k not in ("qat", "lr")}, sort_keys=True)


def _summarize_seeds(rows: pd.DataFrame) -> pd.Series:
    mean, low, high = capacity_ratio(rows)
    stored = rows.bits_per_weight.mean()
    return pd.Series(
        {
            "seeds": rows.seed.nunique(),
            "n_parameters": rows.n_parameters.mean(),
            "bits_per_weight": stored,
            "ratio": mean,
            "low": low,
            "high": high,
            "lowest": (rows.bits_learned_low / rows.n_parameters).min(),
            "highest": (rows.bits_learned_high / rows.n_parameters).max(),
            "ratio_lowest": rows.capacity_ratio.min(),
            "ratio_highest": rows.capacity_ratio.max(),
            "ratio_max": rows.capacity_ratio_max.mean(),
            "per_stored_byte": per_stored_byte(mean, stored),
        }
    )


def _set_y_limits(axes: Iterable[Axes], values: pd.Series) -> None:
    """Show what is above zero and a little below; how far down lines go from there is in the table."""
    top = max(values.max(), 0.01)
    for ax in axes:
        ax.set_ylim(max(1.2 * min(values.min(), -0.05 * top), -0.4 * top), 1.2 * top)


def _draw_panel(ax: Axes, group: pd.DataFrame, column: str, colours: style.Colours) -> None:
    """A line for each way of coming to few bits and each kind of grid, against bits of a code."""
    unit = 1.0 if column == "ratio" else group.bits_per_weight / BYTE
    group = group.assign(y=group.ratio / unit)
    group["down"], group["up"] = group.y - group.lowest / unit, group.highest / unit - group.y
    bottom = ax.get_ylim()[0]
    few = group[group.way != FULL_PRECISION]
    lines = list(few.groupby(["way", "group_size", "zero_point", "matrices"]))
    for i, ((way, size, zero_point, matrices), line) in enumerate(lines):
        words = [WAYS.get(way, f"{way} after training"), f"groups of {size}" if size else ""]
        words += ["zero point" if zero_point else "", "all matrices" if matrices == "all" else ""]
        ax.errorbar(
            line.bits + 0.05 * (i - (len(lines) - 1) / 2),  # beside each other, so that bars can be read
            line.y,
            yerr=[line.down.where(line.y > bottom, 0), line.up.where(line.y > bottom, 0)],
            fmt="^" if matrices == "all" else "s" if zero_point else "o",
            ls="--" if size else ":" if matrices == "all" else "-",
            color=colours[way],
            ms=4,
            lw=0.9,
            capsize=1.5,
            elinewidth=0.6,
            label=", ".join(filter(None, words)),
        )
    ax.set_xticks(sorted(few.bits.unique()))
    for y in group[group.way == FULL_PRECISION].y:
        ax.axhline(y, color="0.5", lw=0.8, ls="--", zorder=0)
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
