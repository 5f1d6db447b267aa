"""Whether a comparison may conclude from a model: it has learned something, and hardly learns on.

The slope of the loss at the end says little by itself, since the schedule of the learning rate flattens it. What is
learned in the last tenth of training, as a share of all that is learned, does say how much twice the training would
bring: docs/noise.md has the runs of which it was learned.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

# a share of bits learned in the last tenth: above it, twice the training brought a third more bits or more
LATE = 0.05
MOST = 0.9  # a share that is not told more exactly
FEWEST = 5  # points of the log in a tenth of training, so that their mean says something


def late_share(row: pd.Series, log: Sequence[dict[str, float]]) -> float:
    """What a run learned in the last tenth of its training, as a share of the bits that it has learned.

    By the mean loss of that tenth and of the one before. row: its measurement. log: of its training. NaN where that
    cannot be told: a log of too few points, junk or a number of steps in the recipe, a model trained elsewhere, or one
    that has learned nothing.
    """
    if not log or row.bits_learned <= 0 or row.junk_share > 0 or json.loads(row.recipe_spec).get("steps"):
        return math.nan
    points = pd.DataFrame(log)
    done = points.tokens / points.tokens.iloc[-1]
    last, before = points.loss[done > 0.9], points.loss[(done > 0.8) & (done <= 0.9)]
    if min(len(last), len(before)) < FEWEST:
        return math.nan
    tokens = row.train_tokens / row.exposures  # in which all people are told of once
    return float((before.mean() - last.mean()) * tokens / math.log(2) / row.bits_learned)


def find_obstacle(rows: pd.DataFrame, name: str) -> str | None:
    """Why nothing may be concluded from the runs of a model, and what to do; None where nothing speaks against it.

    rows: of all seeds, with `late_share`. name: what the model is called.
    """
    first = rows.iloc[0]
    longer = f"--exposures {2 * int(first.exposures)}."
    nothing = rows[rows.bits_learned_low <= 0]
    if len(nothing):
        least = nothing.loc[nothing.capacity_ratio.idxmin()]
        remedy = f"Make it larger, or train longer: {longer}"
        if not first.train_steps:  # trained elsewhere
            remedy = "Was it trained on these people? Check --dataset and --seeds."
        return (
            f"{name} cannot be told from one that learned nothing: R is {least.capacity_ratio:z.3f} with seed "
            f"{least.seed}, by {least.n_parameters:z,.0f} parameters after {least.exposures:,} exposures. {remedy}"
        )
    if 0 < first.train_steps <= 2 * first.warmup_steps:  # a model trained elsewhere has no steps
        return (
            f"{name} is trained too short: {first.train_steps:z,.0f} updates, of which {first.warmup_steps} are the "
            f"warm-up. Train longer: {longer}"
        )
    share = float(rows.late_share.mean())
    if share > LATE:
        # the loss falls by wording too, so of a model that knows next to nothing the share may exceed 1
        said = f"{100 * share:z.1f} %" if share < MOST else f"more than {100 * MOST:z.0f} %"
        return (
            f"{name} is still learning: it has learned {said} of its bits in the last tenth of its "
            f"training, and {100 * LATE:z.0f} % is the most to conclude from. Train longer: {longer}"
        )
    return None


def describe_obstacles(both: Sequence[tuple[pd.DataFrame, str]]) -> str:
    """A line for each model from which nothing may be concluded; empty where there is none."""
    found: list[Any] = [find_obstacle(rows, name) for rows, name in both]
    return "\n".join(f"No verdict: {said}" for said in found if said)
