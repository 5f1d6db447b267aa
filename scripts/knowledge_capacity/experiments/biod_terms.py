"""The three terms of what is learned from bioD (figure 13): names, values, and the sets that values are from."""

import json
import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, laws, style
from ..specs import FULL_PRECISION, BioD, parse_dataset

TERMS = {"name": "names", "value": "values", "sets": "diversity sets"}
KEY = "of what there is to know of each term.  small dots: seeds.  dashed: all of it"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of GPT-2 on bioD, with the share of each term that is known: name, value, sets; and of each seed."""
    rows = capacity_plot.select_gpt2(rows)
    rows = rows[(rows.kind == "bioD") & (rows.variant == FULL_PRECISION)]
    if rows.empty:
        return rows
    most = pd.DataFrame([_max_bits_by_term(text) for text in rows.dataset_spec], index=rows.index)
    for term in TERMS:
        rows = rows.assign(**{term: rows[f"bits_{term}"] / most[term].where(most[term] > 0)})
    shares = rows.groupby(capacity_plot.SPEC, dropna=False)[list(TERMS)].agg(["mean", list])
    shares.columns = [term if how == "mean" else f"{term}_of_seeds" for term, how in shares.columns]
    return laws.gpt2_points(rows, "bioD").merge(shares.reset_index(), on=capacity_plot.SPEC)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each number of exposures: the share of each term against parameters."""
    style.apply_style()
    exposures = sorted(points.exposures.unique(), reverse=True)
    size = (1.15 * style.COLUMN * len(exposures), style.COLUMN)
    figure, axes = plt.subplots(1, len(exposures), figsize=size, squeeze=False, sharex=True, sharey=True)
    colours = style.assign_colors(TERMS)
    for ax, many in zip(axes[0], exposures, strict=True):
        for _, group in points[points.exposures == many].groupby(["dataset", "recipe"]):
            for term, said in _terms_with_bits(group).items():
                ax.plot(group.n_parameters, group[term], "-o", ms=4, lw=0.8, color=colours[term], label=said)
                for _, row in group.iterrows():
                    each = row[f"{term}_of_seeds"]
                    ax.plot([row.n_parameters] * len(each), each, ".", ms=3, color=colours[term], alpha=0.6)
        ax.axhline(1, color="0.7", lw=0.7, ls="--", zorder=0)
        ax.axhline(0, color="0.8", lw=0.6, zorder=0)
        style.set_parameter_axis(ax)
        ax.set_title(f"bioD, {many} exposures")
    axes[0][0].set_ylim(max(-0.5, min(-0.05, 1.1 * points[list(TERMS)].min().min())), 1.1)
    axes[0][0].set_ylabel("share that is known")
    handles = dict(zip(*reversed(axes[0][0].get_legend_handles_labels()), strict=True))
    axes[0][0].legend(handles.values(), handles.keys(), frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    best = points.loc[points.ratio.idxmax()]
    told = _terms_with_bits(points[points.index == best.name])
    said = ", ".join(f"{best[term]:z.0%} of the bits in {words}" for term, words in told.items())
    return (
        f"What {len(points)} models know of each term of bioD. The one with most bits per parameter "
        f"({best.architecture}, {best.exposures} exposures, R = {best.ratio:z.2f}) knows {said}."
    )


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    table = capacity_plot.tabulate_points(points)
    for term, said in _terms_with_bits(points).items():
        table[f"{said} known"] = points[term].map("{:z.0%}".format)
    return table


def _terms_with_bits(points: pd.DataFrame) -> dict[str, str]:
    """The terms that hold any bits: sets hold none where they have all strings that there are."""
    return {term: said for term, said in TERMS.items() if points[term].notna().any()}


def _max_bits_by_term(text: str) -> dict[str, float]:
    """The bits in each term of a dataset."""
    dataset = parse_dataset(json.loads(text))
    assert isinstance(dataset, BioD)
    names = dataset.n_people * math.log2(dataset.pools.names / dataset.n_people)
    values = dataset.n_people * dataset.attributes * dataset.chunks * math.log2(dataset.diversity)
    return {"name": names, "value": values, "sets": dataset.bits_max - names - values}
