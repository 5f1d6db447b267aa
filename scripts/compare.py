"""Whether one architecture, recipe or quantizer stores more bits per parameter than another.

Measurements of the same seed, all else equal, are paired. Fields are those of the measurements, such as
architecture, family, recipe, exposures, optimizer, dataset, kind, n_people, variant and seed.
docs/comparing.md says what is counted and how it is decided.
"""

import argparse

from knowledge_capacity import console
from knowledge_capacity.capacity import compare, measurement, pairing
from knowledge_capacity.files import UserError


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    if not arguments.margin > 1:
        raise UserError(
            f"--margin {arguments.margin:g}: this is no ratio worth telling from 1. Write one above 1."
        )
    where = pairing.conditions(arguments.where, "--where")
    rows = pairing.select(measurement.read(arguments.measurements).to_pandas(), where, "--where")
    a, b = pairing.conditions(arguments.a, "--a"), pairing.conditions(arguments.b, "--b")
    variant = {key: value for key, value in where.items() if key == "variant"}
    units = pairing.pairs(rows, {**variant, **a}, {**variant, **b})
    names = [
        " ".join(value if field in pairing.ASPECTS else f"{field} {value}" for field, value in side.items())
        for side in (a, b)
    ]
    print(f"R: bits per parameter; a: {names[0]}; b: {names[1]}\n\n{compare.table(units)}")
    print(f"\n{compare.verdict(units, names[0], names[1], arguments.margin)}")


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="compare", description=__doc__, formatter_class=formatter)
    pairing.add_measurements(parser)
    for side in ("a", "b"):
        parser.add_argument(
            f"--{side}", nargs="+", required=True, metavar="FIELD=VALUE", help=f"what {side} is"
        )
    parser.add_argument("--where", nargs="+", default=[], metavar="FIELD=VALUE", help="what holds of both")
    parser.add_argument(
        "--margin",
        type=float,
        default=compare.MARGIN,
        metavar="RATIO",
        help="a ratio worth telling from 1 (default: 1.1)",
    )
    console.main(job, parser)
