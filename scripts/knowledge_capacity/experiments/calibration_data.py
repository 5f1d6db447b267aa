"""What GPTQ looks at: bits left by calibration on the right people, on others, on junk, and on random tokens.

The paper calibrates on 1000 people and says no more. A model that knows all of its people and one that is
short of room may differ.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Comparison
from ._precisions import MODEL, MOST_MODELS, quantized_points
from ._precisions import tabulate_points as tabulate_precisions

SEEN = {  # in the order in which they stand beside each other
    "people": "people of the dataset",
    "others": "other people",
    "junk": "people of the junk",
    "random": "random tokens",
    "none": "nothing (to nearest)",
}
KEY = f"{capacity_plot.SPAN}.  dashed: as trained.  what lies far below zero is cut off"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Models that GPTQ stored by several kinds of data, at each number of bits, and beside it rounding to nearest.

    seen: the kind of data; "none" of rounding to nearest, "" as trained. The model that knows most of
    its people first.
    """
    found = quantized_points(rows[add_columns(rows).qat.isna()])
    found = found[found.method.isin(["gptq", "rtn", FULL_PRECISION]) & (found.matrices != "all")]
    seen = found.calibration.where(found.method == "gptq", "none").where(found.method != FULL_PRECISION, "")
    found = found.assign(seen=seen, known=found.ratio / found.ratio_max)
    kinds = found[found.method == "gptq"].groupby(MODEL).seen.nunique()
    several = found.set_index(MODEL).index.isin(kinds[kinds > 1].index)
    found = found[several]
    most = found.groupby(MODEL).known.transform("max")
    found = found.assign(most=most).sort_values(["most", *MODEL, "bits_per_weight"], ascending=False)
    return found.drop(columns=["most"]).reset_index(drop=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each model: a group for each number of bits, and in it a dot for each kind of data."""
    style.apply_style()
    models = list(points.groupby(MODEL, sort=False))[:MOST_MODELS]
    figure, axes = plt.subplots(
        1, len(models), figsize=(style.COLUMN * len(models) + 1.2, style.COLUMN), squeeze=False
    )
    colours = style.assign_colors(SEEN)
    for ax, (_, model) in zip(axes[0], models, strict=True):
        stored = model[model.seen != ""]
        bits = sorted(stored.bits.unique(), reverse=True)
        for i, (seen, said) in enumerate(SEEN.items()):
            line = stored[stored.seen == seen].drop_duplicates("bits")
            if len(line):
                ax.errorbar(
                    [bits.index(one) + 0.14 * (i - 2) for one in line.bits],
                    line.ratio,
                    yerr=[line.ratio - line.span_low, line.span_high - line.ratio],
                    fmt="o",
                    ms=4,
                    lw=0,
                    elinewidth=0.8,
                    capsize=1.5,
                    color=colours[seen],
                    label=said,
                )
        trained = model[model.seen == ""]
        if len(trained):
            ax.axhline(trained.ratio.iloc[0], color="0.5", lw=0.8, ls="--", zorder=0)
        top = model.ratio.max()
        ax.set_ylim(-0.2 * top, 1.2 * top)
        ax.set_xticks(range(len(bits)), [f"{one:z.0f} bits" for one in bits])
        first = model.iloc[0]
        people = style.format_with_suffix(first.n_people)
        ax.set_title(f"{first.architecture}, {people} people, {model.known.max():z.0%} known")
    axes[0, 0].set_ylabel("bits of knowledge per parameter")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers: of each model, what each kind of data leaves at each number of bits."""
    said = []
    for _, model in points.groupby(MODEL, sort=False):
        first, stored = model.iloc[0], model[model.seen != ""]
        left = [
            f"{bits:z.0f} bits: "
            + ", ".join(f"{SEEN[row.seen]} {row.ratio:z.2f}" for row in group.itertuples())
            for bits, group in stored.groupby("bits", sort=False)
        ]
        who = f"{first.architecture} on {first.n_people:,} people, {model.known.max():z.0%} known"
        said.append(f"{who}: {'; '.join(left)}")
    return f"Bits per parameter that GPTQ leaves, by what it looks at. {'. '.join(said)}."


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    table = tabulate_precisions(points)
    table.insert(4, "what is seen", points.seen.map(SEEN).fillna(""))
    return table


def others_to_people_ratio(rows: pd.DataFrame) -> Reading:
    """R by GPTQ at 4 bits calibrated on other people over R calibrated on the dataset's, of the
    model that knows most of its people.
    """
    found = select_points(rows)
    four = found[(found.bits == 4) & found.seen.isin(["people", "others"])]
    for model in four[MODEL].drop_duplicates().itertuples(index=False):
        mine = four[(four[MODEL] == list(model)).all(axis=1)]
        if set(mine.seen) == {"people", "others"}:
            names = mine.drop_duplicates("seen").set_index("seen").variant
            own = rows[(rows[MODEL] == list(model)).all(axis=1)]
            others, people = (own[own.variant == names[seen]] for seen in ("others", "people"))
            return claims.peak_ratio(
                (claims.model_reading(others), others), (claims.model_reading(people), people)
            )
    raise NotMeasured("one model stored in 4 bits by GPTQ on people of the dataset and on others")


CLAIMS = [
    Claim(
        "GPTQ need not see the people that a model knows",
        "calibration on 1000 people, of whom it says no more: not a claim of the paper",
        "R of int4 calibrated on other people over that calibrated on people of the dataset",
        1 / TOLERANCE,
        TOLERANCE,
        others_to_people_ratio,
        Comparison("a model that GPTQ stores in 4 bits by other people", "by people it knows", "holds"),
    )
]
