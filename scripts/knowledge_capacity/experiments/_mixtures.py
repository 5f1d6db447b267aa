"""What the experiments on junk share: their points, and what is left of the law without junk."""

import pandas as pd

from ..figures import capacity_plot
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import Reading

MIXED = ["junk_people", "junk_share", "domain_token"]


def select_points(rows: pd.DataFrame, repetitive: bool = False, token: bool = False) -> pd.DataFrame:
    """GPT-2 on bioS with one kind of junk, and without, with `panel`, which says the mixture.

    repetitive: whether its people are seen at least as often as the useful ones. token: whether a domain token
    tells it apart; without it, only mixtures without one are shown.
    """
    rows = _select_gpt2(rows)
    wanted = (rows.junk_share == 0) | (_is_repetitive(rows) == repetitive)
    rows = rows[wanted & (token | (rows.domain_token == "none"))]
    if rows.empty or not (rows.junk_share > 0).any():
        return rows.iloc[:0]
    mixed = rows.drop_duplicates(capacity_plot.SPEC)[[*capacity_plot.SPEC, *MIXED]]
    found = capacity_plot.summarize_seeds(rows).merge(mixed, on=capacity_plot.SPEC)
    found = found.assign(panel=[_describe_mixture(row) for _, row in found.iterrows()])
    return found.sort_values(
        ["junk_share", "domain_token", "exposures", "n_people", "n_parameters"], ignore_index=True
    )


def junk_loss_factor(exposures: int, repetitive: bool, token: bool, rows: pd.DataFrame) -> Reading:
    """How many times less is stored with junk than without it after 100 exposures: the ratio of the highest R."""
    rows = _select_gpt2(rows)
    junk = rows[(rows.junk_share > 0) & (_is_repetitive(rows) == repetitive)]
    junk = junk[(junk.domain_token != "none") == token]
    if junk.empty:
        raise claims.NotMeasured(
            f"{'repetitive ' if repetitive else ''}junk{' with a domain token' if token else ''}"
        )
    plain = claims.select_rows(rows, junk_share=0.0, exposures=100)
    return claims.compare_peaks(plain, claims.select_rows(junk, exposures=exposures))


def _select_gpt2(rows: pd.DataFrame) -> pd.DataFrame:
    rows = add_columns(rows)
    plain = rows.is_gpt2 & (rows.optimizer == "adamw") & rows.qat.isna()
    return rows[plain & (rows.kind == "bioS") & (rows.variant == FULL_PRECISION)]


def _is_repetitive(rows: pd.DataFrame) -> pd.Series:
    """Whether a person of the junk is seen at least as often as a useful one."""
    return rows.junk_people * (1 - rows.junk_share) <= rows.n_people * rows.junk_share


def _describe_mixture(row: pd.Series) -> str:
    if not row.junk_share:
        return f"no junk, {row.exposures} exposures"
    token = "" if row.domain_token == "none" else f", token on {row.domain_token}"
    return f"{row.junk_share:z.1%} junk{token}, {row.exposures} exposures"
