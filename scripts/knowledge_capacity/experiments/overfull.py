"""Too much to know: bits learned, and the share of facts right, as people become more than a model can hold.

Each number of people has as many exposures, or as much training in all. In the second case, fewer people are what a
chosen part of many people would be, trained on in the same time. Cram Less to Fit More (arXiv 2604.08519) finds that
accuracy falls where there is too much to know.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..figures import capacity_plot, style
from ..measurements.columns import add_columns
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Comparison

FEWEST = 3  # numbers of people in a line
LINE = ["architecture", "line"]
KEY = f"{capacity_plot.SPAN}.  dashed: all there is to know"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS, in lines of equal exposures or of equal training, of three numbers of people or more each.

    line: in words, what is equal. right: the share of facts right, missing in measurements that do not say it.
    """
    lines = list_lines(rows)
    if not lines:
        return rows.iloc[:0]
    found = []
    for name, line in lines:
        right = line.groupby(capacity_plot.SPEC, dropna=False).facts_right.mean().astype(float)
        summary = capacity_plot.summarize_seeds(line).merge(right.rename("right"), on=capacity_plot.SPEC)
        found.append(summary.assign(line=name))
    return pd.concat(found).sort_values(["n_parameters", "line", "n_people"], ignore_index=True)


def list_lines(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The measurements of each line, with what is equal in it."""
    rows = add_columns(capacity_plot.select_gpt2(rows))
    rows = rows[(rows.kind == "bioS") & (rows.variant == "fp32") & rows.capacity_ratio.notna()]
    rows = rows.assign(told=rows.n_people * rows.exposures)
    found = []
    for keys, said in ((["exposures"], "{:z,.0f} exposures"), (["told"], "{:z,.0f} biographies in all")):
        for (_, number), line in rows.groupby(["architecture", *keys]):
            pools = line.groupby("data").n_people.transform("nunique")
            line = line[pools == pools.max()]
            if line.n_people.nunique() >= FEWEST:
                found.append((said.format(number), line))
    return found


def draw_figure(points: pd.DataFrame) -> Figure:
    """Bits against people above, the share of facts right below; a column for each model, a colour for each line."""
    style.apply_style()
    models = list(points.groupby("architecture", sort=False))
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(1.2 * style.COLUMN * len(models), 1.6 * style.COLUMN),
        squeeze=False,
        sharex=True,
        sharey="row",
    )
    colours = style.assign_colors(points.line)
    for column, (_, model) in enumerate(models):
        top, bottom = axes[:, column]
        for name, line in model.groupby("line", sort=False):
            top.errorbar(
                line.n_people,
                line.bits_learned,
                yerr=[line.bits_learned - line.bits_low, line.bits_high - line.bits_learned],
                fmt="o-",
                ms=4,
                lw=1,
                capsize=2,
                color=colours[name],
                label=name,
            )
            bottom.plot(line.n_people, 100 * line.right, "o-", ms=4, lw=1, color=colours[name])
        known = model.drop_duplicates("n_people").sort_values("n_people")
        top.plot(known.n_people, known.bits_max, "--", color="0.6", lw=0.8, zorder=0)
        top.set_ylim(0, 1.15 * model.bits_high.max())
        top.set_title(f"{style.format_short(model.n_parameters.mean())} parameters")
        _set_people_axis(bottom, known.n_people)
    axes[0, 0].set_ylabel("bits learned")
    axes[1, 0].set_ylabel("% of facts right")
    axes[1, 0].set_ylim(0, 100)
    axes[0, 0].legend(frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    said = []
    for (architecture, name), line in points.groupby(LINE, sort=False):
        best, last = line.loc[line.bits_learned.idxmax()], line.iloc[-1]
        said.append(
            f"{architecture} by {name}: most bits ({best.bits_learned:z,.0f}) with {best.n_people:,} people, "
            f"{last.bits_learned:z,.0f} with {last.n_people:,}"
        )
    return f"Bits learned against people, at fixed size. {'; '.join(said)}."


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    count, ratio = "{:z,.0f}".format, "{:z.2f}".format
    return pd.DataFrame(
        {
            "model": points.architecture,
            "parameters": points.n_parameters.map(count),
            "equal": points.line,
            "people": points.n_people.map(count),
            "bits there are": points.bits_max.map(count),
            "bits learned": points.bits_learned.map(count),
            "span of the seeds' 95 % intervals": points.bits_low.map(count)
            + " to "
            + points.bits_high.map(count),
            "R": points.ratio.map(ratio),
            "% of facts right": ["" if pd.isna(right) else f"{100 * right:z.1f}" for right in points.right],
            "seeds": points.seeds,
        }
    )


def overfull_to_best_ratio(rows: pd.DataFrame) -> Reading:
    """R on the most people over R on the number of people at which it is highest, in a line of equal exposures.

    Of all such lines the one that goes furthest beyond what is learned.
    """
    lines = [line for name, line in list_lines(rows) if "exposures" in name]
    if not lines:
        raise NotMeasured(f"one model on {FEWEST} numbers of people, as often seen")
    pairs = []
    for line in lines:
        cells = [cell for _, cell in line.groupby("n_people")]
        cells = [cell for cell in cells if cell.seed.nunique() >= claims.LEAST_SEEDS] or cells
        best = max(cells, key=lambda cell: float(cell.bits_learned.mean()))
        pairs.append((cells[-1], best))
    most, best = max(pairs, key=lambda pair: pair[0].n_people.iloc[0] / pair[1].n_people.iloc[0])
    if most.n_people.iloc[0] == best.n_people.iloc[0]:
        raise NotMeasured("a model on more people than suit it")
    return claims.peak_ratio((claims.model_reading(most), most), (claims.model_reading(best), best))


def _set_people_axis(ax: Axes, people: pd.Series) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(list(people)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(style.format_with_suffix))
    ax.set_xlabel("people")


CLAIMS = [
    Claim(
        "With more people than fit, fewer bits are learned",
        "accuracy falls where there is too much to know (arXiv 2604.08519): not a claim of this paper",
        "bits learned of the most people over those of the people who suit a model best, as often seen",
        0.0,
        1 / TOLERANCE,
        overfull_to_best_ratio,
        Comparison("GPT-2 on far more people than fit", "GPT-2 on as many as suit it", "learns", "bits"),
    )
]
