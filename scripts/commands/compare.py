"""Whether one architecture, recipe or quantizer stores more bits per parameter than another.

Measurements of the same seed, all else equal, are paired, at the best learning rate that both sides have. Training
with junk or at few bits (qat) is left out unless a condition names a field of these, recipe or experiment. Without --a
and --b it says what there is to compare. docs/comparing.md says what is counted and how it is decided.
"""

import argparse

import _path  # noqa: F401 (first, so that the package is found)
import pandas as pd
from knowledge_capacity import console
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import filters, measurement_table
from knowledge_capacity.measurements.columns import count_stored_bytes
from knowledge_capacity.specs import FULL_PRECISION
from knowledge_capacity.statistics import compare, pairing
from knowledge_capacity.statistics.spread import add_spreads

BYTE = "byte"
SIZES = {"parameter": "parameters", BYTE: "bytes"}


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if not arguments.margin > 1:
        raise UserError(
            f"--margin {arguments.margin:g}: this is no ratio worth telling from 1. Write one above 1."
        )
    if bool(arguments.a) != bool(arguments.b):
        raise UserError("a comparison has two sides: give both --a and --b, or neither to see what there is.")
    where = filters.parse_conditions(arguments.where, "--where")
    rows = filters.read_selected_measurements(arguments.measurements, where)
    if not arguments.a:
        print(filters.describe_choices(rows))
        return
    # sides say their variant themselves, and the best learning rate is that at full precision
    others = {key: value for key, value in where.items() if key != "variant"}
    rows = filters.read_selected_measurements(arguments.measurements, others)
    known = measurement_table.read_measurements(arguments.measurements).to_pandas()
    if arguments.per == BYTE:
        rows, known = count_stored_bytes(rows), count_stored_bytes(known)
    print(describe_comparison(add_spreads(rows, known), where, arguments))


def describe_comparison(rows: pd.DataFrame, where: filters.Conditions, arguments: argparse.Namespace) -> str:
    """The table of pairs, and what it says."""
    named = [
        filters.parse_conditions(words, option)
        for option, words in (("--a", arguments.a), ("--b", arguments.b))
    ]
    common = {key: value for key, value in where.items() if key == "variant"}
    sides = [{**common, **side} for side in named]
    match = pairing.pair_measurements(rows, sides[0], sides[1], where)
    variants = [side.get("variant", FULL_PRECISION) for side in sides]
    if variants[0] != variants[1]:  # a side that does not say so is named as well
        named = [{**side, "variant": variant} for side, variant in zip(named, variants, strict=True)]
    a, b = (
        " ".join(value if field in filters.ASPECTS else f"{field} {value}" for field, value in side.items())
        for side in named
    )
    table, verdict = (
        compare.format_pair_table(match.units, SIZES[arguments.per]),
        compare.describe_verdict(match.units, a, b, arguments.margin, arguments.per),
    )
    runs = compare.describe_run_counts(match, a, b)
    return f"R: bits per {arguments.per}; a: {a}; b: {b}\n\n{table}\n\n{runs}\n\n{verdict}"


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="compare", description=__doc__, formatter_class=formatter, epilog=filters.FIELDS_HELP
    )
    filters.add_measurements_argument(parser)
    for side in ("a", "b"):
        parser.add_argument(f"--{side}", nargs="+", default=[], metavar="FIELD=VALUE", help=f"what {side} is")
    filters.add_where_argument(parser, "what holds of both")
    parser.add_argument(
        "--margin",
        type=float,
        default=compare.MARGIN,
        metavar="RATIO",
        help="a ratio worth telling from 1 (default: 1.1)",
    )
    parser.add_argument(
        "--per",
        choices=list(SIZES),
        default=next(iter(SIZES)),
        help="what bits are counted for: each parameter, or each byte that stores the weights",
    )
    console.main(run_job, parser)
