"""What figures of quantised models share: the points, with how each variant is stored, and their table."""

import json
from collections.abc import Iterable, Iterator

import pandas as pd

from ..figures import capacity_plot
from ..measurements.columns import add_columns
from ..statistics.compare import capacity_ratio

FIELDS = ["method", "bits", "group_size", "zero_point", "matrices", "calibration_people", "calibration"]
MODEL = ["dataset", "architecture", "recipe"]
MOST_MODELS = 4  # panels side by side


def quantized_points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of all models and variants, the best model first.

    Beside the columns of `capacity_plot.summarize_seeds`: the fields of the quantizer (method fp32 for weights as
    trained), and low and high, the 95 % interval of the mean R over seeds.
    """
    rows = add_columns(rows)
    spread = (
        rows.groupby(capacity_plot.SPEC, dropna=False)
        .apply(_seed_interval, include_groups=False)
        .reset_index()
    )
    points = capacity_plot.summarize_seeds(rows).merge(spread, on=capacity_plot.SPEC)
    points = points.merge(variant_table(rows), on="variant")
    best = points.groupby(MODEL).ratio.transform("max")
    return (
        points.assign(best=best)
        .sort_values(
            ["best", *MODEL, "bits_per_weight", "variant"], ascending=[False, *[True] * 3, False, True]
        )
        .reset_index(drop=True)
    )


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    most = points.loc[points.per_stored_byte.idxmax()]
    return (
        f"{capacity_plot.describe_figure(points, 'Bits of knowledge against stored bits')} "
        "Most bits of knowledge per stored byte: "
        f"{most.per_stored_byte:z.2f} ({most.architecture}, {most.variant}, {most.bits_per_weight:z.1f} bits a weight)."
    )


def variant_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each variant: the fields of its quantizer, and in words what it quantises."""
    found = []
    for row in rows.drop_duplicates("variant").itertuples():
        spec = json.loads(row.variant_spec) if isinstance(row.variant_spec, str) else {"method": row.variant}
        names = row.quantized if isinstance(row.quantized, Iterable) else []  # null for weights as trained
        fields = {field: spec.get(field) for field in FIELDS}
        fields["calibration"] = fields["calibration"] or "people"  # of specs written before there were others
        said = ", ".join(short_weight_name(name) for name in names) or "nothing"
        found.append({"variant": row.variant, **fields, "quantized": said})
    return pd.DataFrame(found)


def split_best_models(points: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The points of the best models, a few at most, each with a title."""
    for _, group in list(points.groupby(MODEL, sort=False))[:MOST_MODELS]:
        row = group.iloc[0]
        yield f"{row.family} {capacity_plot.size_label(row)}, {row.exposures} exposures", group


def short_weight_name(name: str) -> str:
    """The part of a weight's name that tells it from others of its layer."""
    return name.removesuffix(".weight").rpartition("*.")[2]


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind a figure, in words for a table."""
    table = capacity_plot.tabulate_points(points)
    table["95 % interval of the mean R"] = (
        points.low.map("{:z.2f}".format) + " to " + points.high.map("{:z.2f}".format)
    )
    table["quantised"] = points.quantized
    return table


def _seed_interval(rows: pd.DataFrame) -> pd.Series:
    _, low, high = capacity_ratio(rows)
    return pd.Series({"low": low, "high": high})
