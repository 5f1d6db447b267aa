"""Blocks of pages about questions: what models have memorised, and what of it they answer."""

from collections.abc import Sequence

import pandas as pd

from ..experiments._contract import load_experiment
from . import writing
from .published import SCALE, Results, format_table


def render_extraction(results: Results, _: Sequence[str]) -> str:
    """What two seeds of GPT2-2-2 hold of 10,000 people, and what of it they answer."""
    rows = results.rows[(results.rows.n_people == SCALE) & (results.rows.architecture == "gpt2-2-2")]
    lines = []
    for seed, both in rows.groupby("seed"):
        by_variant = both.set_index("variant")
        if "questions" not in by_variant.index:
            continue
        held, answered = (by_variant.loc[name] for name in ("fp32", "questions"))
        right = {name: 100 * share for name, share in dict(answered.accuracy_by_attribute).items()}
        line = [str(seed), f"{held.bits_value:,.0f}", f"{100 * answered.bits_value / held.bits_value:.0f} %"]
        lines.append([*line, *(f"{share:.1f} %" for share in right.values())])
        head = ["seed", "bits of values", "extractable", *(name.replace("_", " ") for name in right)]
    return format_table(head, lines)


def small_answers(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The measurements of extraction with small models, and what its figure shows of them."""
    rows = writing.experiment_rows("extraction", results.table)
    rows = rows[rows.n_people < SCALE]
    points: pd.DataFrame = load_experiment("extraction").select_points(rows)
    return rows, points


def render_small_extraction(results: Results, _: Sequence[str]) -> str:
    """The bits of values that small models have memorised and can answer, by kind of dataset."""
    rows, points = small_answers(results)
    lines = []
    for kind, of_kind in points[points.attribute == "all"].groupby("kind"):
        (point,) = of_kind.to_dict("records")
        size, held = point["n_parameters"], rows[(rows.kind == kind) & (rows.variant == "fp32")]
        bits = [size * one for one in point["of_seeds"]]
        values = held.sort_values("seed").bits_value
        shares = (f"{100 * one / most:.0f} %" for one, most in zip(bits, values, strict=True))
        ends = f"{point['extracted_low']:.3f} to {point['extracted_high']:.3f}"
        line = [str(kind), f"{size:,.0f}", f"{rows[rows.kind == kind].bits_max.min():,.0f}"]
        line += [f"{size * point['memorised']:,.0f}", f"{size * point['extracted']:,.0f}"]
        line += [", ".join(f"{one:,.0f}" for one in bits), ", ".join(shares)]
        lines.append([*line, f"{point['extracted']:.3f} ({ends})"])
    head = [
        "data",
        "parameters",
        "bits of values",
        "memorised",
        "extractable",
        "of each seed",
        "share of each seed",
    ]
    return format_table([*head, "extractable bits per parameter (95 % interval)"], lines)


def render_small_answers(results: Results, _: Sequence[str]) -> str:
    """The shares of right answers of small models, by attribute and kind of dataset."""
    _, points = small_answers(results)
    points = points[points.attribute != "all"]
    kinds = sorted(points.kind.unique())
    lines = []
    for attribute, of_attribute in points.groupby("attribute", sort=False):
        by_kind = of_attribute.set_index("kind")
        line = [str(attribute).replace("_", " ")]
        for kind in kinds:
            right, low, high = (
                100 * by_kind.loc[kind, name] for name in ("accuracy", "accuracy_low", "accuracy_high")
            )
            line.append(f"{right:.1f} % ({low:.1f} to {high:.1f})")
        lines.append([*line, f"{100 * by_kind.chance.mean():.2f} %"])
    return format_table(["attribute", *kinds, "chance"], lines)
