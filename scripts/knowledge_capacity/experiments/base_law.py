"""Result 1 (figures 1 and 9): bits learned from bioS by GPT-2 against parameters, by exposures."""

import math
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, laws, style
from ..measurements.measurement_table import DATA_LIMITED
from ..specs import FULL_PRECISION, BioS
from ..specs.paper_points import POINTS, PaperPoint
from ..statistics.bootstrap import LEVEL
from ..statistics.intervals import Interval, Prior, interval_over_seeds, interval_over_units, standard_error
from ..statistics.spread import log_ratio_prior, spread_prior
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Amount, Comparison

PAPER_EXPOSURES = 1000  # of the paper's points
APART = 1.5  # times in parameters, so that one model counts as the larger


class Cell(NamedTuple):
    """A model of the paper that was measured here. rows: its seeds, by the recipe with which it stores most."""

    paper: PaperPoint
    rows: pd.DataFrame
    reading: Reading


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the figure."""
    return laws.gpt2_points(rows, "bioS")


def draw_figure(points: pd.DataFrame) -> Figure:
    """One panel per number of exposures, most first, with the paper's models on as many people as crosses."""
    shown = shown_paper_points(points)
    spots = [(float(one.n_parameters), float(one.bits_learned)) for one in shown]
    crosses: laws.Crosses = {PAPER_EXPOSURES: spots} if shown else {}
    said = "the paper's models, read off figure 1(a) of arXiv 2404.05405"
    return laws.draw_by_exposures(points, "bioS, {} exposures", crosses, said)


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    shown, said = shown_paper_points(points), capacity_plot.describe_figure(points)
    if not shown:
        return said
    people = " and ".join(dict.fromkeys(style.format_with_suffix(one.n_people) for one in shown))
    return (
        f"{said} Crosses, as far as the axes reach: the paper's models on {people} people after {PAPER_EXPOSURES} "
        "exposures, read off figure 1(a) of arXiv 2404.05405 to about 1 %. The paper counts an employer whose city was "
        "told before it too, which the dots do not."
    )


def shown_paper_points(points: pd.DataFrame) -> list[PaperPoint]:
    """The paper's points for the datasets of a figure that the paper has too."""
    often = set(points.dataset[points.exposures == PAPER_EXPOSURES])
    return [one for one in POINTS if BioS(n_people=one.n_people).slug in often]


def highest_capacity_ratio(rows: pd.DataFrame) -> Reading:
    """The highest R of GPT-2 after 1000 exposures."""
    found, _ = claims.find_peak(
        capacity_plot.select_gpt2(rows), kind="bioS", design="gpt2", exposures=1000, variant=FULL_PRECISION
    )
    return found


def deep_to_shallow_ratio(rows: pd.DataFrame) -> Reading:
    """R of the deeper over R of the shallower of two equally large models, over all such pairs of a dataset.

    Pairs share people by seed. Data-limited models are left out, as are those of one layer.
    """
    rows = claims.select_rows(
        capacity_plot.select_gpt2(rows), kind="bioS", design="gpt2", exposures=1000, variant=FULL_PRECISION
    )
    free = rows[(rows.layers >= 2) & ~rows.data_limited.astype(bool) & (rows.capacity_ratio > 0)]
    models = [group.set_index("seed") for _, group in free.groupby(claims.MODEL)]
    models.sort(key=lambda model: float(model.layers.iloc[0]))
    logs, priors, used = [], [], []
    for i, one in enumerate(models):
        for other in models[i + 1 :]:
            sizes = sorted(float(model.n_parameters.mean()) for model in (one, other))
            seeds = list(one.index.intersection(other.index))
            same = one.dataset.iloc[0] == other.dataset.iloc[0] and one.layers.iloc[0] < other.layers.iloc[0]
            if same and seeds and sizes[1] < capacity_plot.ALIKE * sizes[0]:
                both = zip(other.capacity_ratio[seeds], one.capacity_ratio[seeds], strict=True)
                logs.append([math.log(deep / shallow) for deep, shallow in both])
                priors.append(log_ratio_prior(other, one, same_runs=False))
                used.append((other.reset_index(), one.reset_index()))
    if not logs:
        raise NotMeasured("two models of the same size and of different depth, neither data-limited")
    value = interval_over_units(logs, [[0.0] * len(unit) for unit in logs], priors)
    found = claims.pairs_reading(Interval(*map(math.exp, value)), used)
    return replace(found, seeds=min(map(len, logs)), more=False, less=False)  # none is data-limited


def large_to_small_ratio(rows: pd.DataFrame) -> Reading:
    """R of the largest over R of the smallest model of one depth, by one recipe on one dataset.


    Of all such pairs the one that lies furthest apart. No dataset limits its models, which have two layers or more.
    """
    rows = claims.select_rows(
        capacity_plot.select_gpt2(rows), kind="bioS", design="gpt2", exposures=1000, variant=FULL_PRECISION
    )
    pairs = []
    for _, alike in rows[rows.layers >= 2].groupby(["dataset", "recipe", "layers"]):
        models = [group for _, group in alike.groupby("architecture")]
        models = [group for group in models if not claims.model_reading(group).more]
        models = [group for group in models if group.seed.nunique() >= claims.LEAST_SEEDS] or models
        models.sort(key=lambda model: float(model.n_parameters.mean()))
        pairs += [(models[-1], models[0])] if models else []
    spans = [large.n_parameters.mean() / small.n_parameters.mean() for large, small in pairs]
    if not spans or max(spans) < APART:
        raise NotMeasured(f"two models of which one is {APART:g} times as large, neither data-limited")
    large, small = pairs[spans.index(max(spans))]
    return claims.peak_ratio((claims.model_reading(large), large), (claims.model_reading(small), small))


def measured_paper_cells(rows: pd.DataFrame, level: float = (1 + LEVEL) / 2) -> list[Cell]:
    """The paper's models that were measured here: equal people, pools, layers and heads, of 64 dimensions.

    The reading is our mean of bits over the paper's bits, both counted as the paper does. Where both know nine tenths
    of all there is to know, the dataset alone makes them equal, and the model is left out. More people would change
    nothing: the reading is about these. level: as in `interval_over_seeds`.
    """
    rows = capacity_plot.select_gpt2(rows)
    rows = rows[
        (rows.exposures == PAPER_EXPOSURES) & (rows.variant == FULL_PRECISION) & (rows.design == "gpt2")
    ]
    cells = []
    for paper in POINTS:
        alike = rows[
            (rows.data == "bioS")
            & (rows.n_people == paper.n_people)
            & (rows.layers == paper.layers)
            & (rows.heads == paper.heads)
            & (rows.width == 64 * paper.heads)
        ]
        if alike.empty:
            continue
        found, best = claims.find_peak(alike)
        bits = best.bits_learned_naive
        if min(bits.mean(), paper.bits_learned) >= DATA_LIMITED * best.bits_max.mean():
            continue
        ends = zip(best.bits_learned_low, best.bits_learned_high, strict=True)
        errors = [standard_error(low, high) / paper.bits_learned for low, high in ends]
        prior, unit = spread_prior(best), best.n_parameters.mean() / paper.bits_learned
        prior = Prior(prior.variance * unit**2, prior.freedom)
        value = interval_over_seeds(list(bits / paper.bits_learned), errors, prior, level)
        models = f"{found.models}; {style.format_short(paper.n_parameters)} parameters in the paper"
        reading = replace(found, value=value, more=False, rising=False, models=models)
        cells.append(Cell(paper, best, reading))
    return cells


def bits_over_paper(rows: pd.DataFrame) -> Reading:
    """Our bits over the paper's, of the cell whose interval reaches furthest from 1.

    The claim is about each cell, so a mean over cells will not do: one that learns too much would make up for one that
    learns too little. If the interval that reaches furthest lies between the bounds, all do. If it lies outside, a cell
    fails: so that no one of many does by chance, the cells share 5 % of errors. Cells with several seeds go first, as
    in `find_peak`. The 1 % by which a point may be misread, and the single run behind it, have to fit into the bounds'
    tenth.
    """
    cells = measured_paper_cells(rows)
    if not cells:
        raise NotMeasured("a model of the paper's figure 1(a) on as many people")
    level = 1 - (1 - LEVEL) / 2 / len(cells)
    readings = [cell.reading for cell in measured_paper_cells(rows, level)]
    several = [one for one in readings if one.seeds >= claims.LEAST_SEEDS]
    return max(several or readings, key=_furthest_end)


def _furthest_end(found: Reading) -> float:
    """How many times 1 the end of an interval is that lies furthest from it, above or below."""
    return max(found.value.high, 1 / found.value.low) if found.value.low > 0 else math.inf


CLAIMS = [
    Claim(
        "GPT-2 stores 2 bits per parameter after 1000 exposures",
        "peak R of 2 or more, and no R above 2.3",
        "highest R on bioS",
        2 / TOLERANCE,
        2.3 * TOLERANCE,
        highest_capacity_ratio,
        Amount("GPT-2 stores {} bits per parameter after 1000 exposures."),
    ),
    Claim(
        "From two layers on, depth and width do not matter",
        "models of equal size have equal R",
        "R of the deeper over R of the shallower of equally large models",
        1 / TOLERANCE,
        TOLERANCE,
        deep_to_shallow_ratio,
        Comparison("the deeper of two equally large models", "the shallower"),
    ),
    Claim(
        "Capacity does not depend on size",
        "2 bits per parameter for all sizes",
        "R of the largest over R of the smallest of the models on one dataset",
        1 / TOLERANCE,
        TOLERANCE,
        large_to_small_ratio,
        Comparison("the largest model", "the smallest on the same dataset"),
    ),
    Claim(
        "At the same people, layers and heads, GPT-2 learns as many bits as in the paper",
        "the dots of figure 1(a)",
        "our bits over the paper's, counted alike, of the model where they are least certainly equal",
        1 / TOLERANCE,
        TOLERANCE,
        bits_over_paper,
        Comparison("GPT-2", "in the paper, at the same people, layers and heads", "learns", "bits"),
    ),
]
