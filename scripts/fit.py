"""The capacity of architectures, in bits per parameter, from all of their runs.

For each kind of data, family, number of exposures and variant: C with its 95 % interval, how sharp the corner
is between C times the parameters and the bits of the dataset (k), by how much runs lie apart (spread), and
what speaks against one C. docs/comparing.md says how it is found.
"""

import argparse

from knowledge_capacity import console
from knowledge_capacity.capacity import conditions, families


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    where = conditions.parse(arguments.where, "--where")
    rows = conditions.measurements(arguments.measurements, where)
    print(families.table(families.fits(conditions.some(families.usable(rows)))))


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="fit", description=__doc__, formatter_class=formatter, epilog=conditions.FIELDS_HELP
    )
    conditions.add_measurements(parser)
    parser.add_argument(
        "--where", nargs="+", default=[], metavar="FIELD=VALUE", help="which measurements: kind=bioS …"
    )
    console.main(job, parser)
