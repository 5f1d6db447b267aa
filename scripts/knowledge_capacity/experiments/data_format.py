"""Result 2 (figure 11): the same facts in other words: one text for ever, free prose, or a language model's."""

import json
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, laws
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Comparison

KINDS = {
    "bioS": "bioS: text drawn anew each time",
    "bioS_simple": "bioS_simple: one text a person",
    "bioR": "bioR: texts of a language model",
    "bioG": "bioG: prose of a grammar",
}


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on every kind of biography, at the most exposures there are."""
    found = capacity_plot.summarize_seeds(capacity_plot.select_gpt2(rows[rows.variant == FULL_PRECISION]))
    found = found[found.kind.isin(KINDS) & (found.exposures == found.exposures.max())]
    how = found.dataset.str.contains("-guided-").map({True: ", guided", False: ""})
    found = found.assign(panel=found.kind.map(KINDS) + how, order=found.kind.map(list(KINDS).index))
    return found.sort_values(["order", "n_people", "n_parameters"], ignore_index=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each kind."""
    return laws.draw_by_panel(points)


def kind_to_bios_ratio(kind: str, rows: pd.DataFrame) -> Reading:
    """The highest R of a kind over that of bioS, after 1000 exposures, both cut by one tokenizer.

    Raises NotMeasured where there are no such two.
    """
    same = {"design": "gpt2", "exposures": 1000, "variant": FULL_PRECISION}
    rows = capacity_plot.select_gpt2(rows)
    rows = rows.assign(tokenizer=[json.loads(spec).get("tokenizer") for spec in rows.dataset_spec])
    told = claims.select_rows(rows, kind=kind, **same)
    bios = claims.select_rows(rows, kind="bioS", **same)
    shared = bios[bios.tokenizer.isin(told.tokenizer)]
    if shared.empty:
        raise NotMeasured(f"bioS by the tokenizer of {kind}")
    return claims.compare_peaks(told[told.tokenizer.isin(shared.tokenizer)], shared)


CLAIMS = [
    Claim(
        f"{said} is stored about as well as wording drawn anew",
        "also about 2 bits per parameter, slightly less than bioS",
        f"highest R on {kind} over that on bioS, at 1000 exposures",
        0.8 / TOLERANCE,
        TOLERANCE,
        partial(kind_to_bios_ratio, kind),
        Comparison("GPT-2", "of texts drawn anew", what=f"bits per parameter of {text}"),
    )
    for kind, said, text in (
        ("bioS_simple", "The same text 1000 times", "one text a person"),
        ("bioR", "Prose of a language model", "a language model's prose"),
        ("bioG", "Prose of a grammar (in place of a language model's)", "a grammar's prose"),
    )
]
