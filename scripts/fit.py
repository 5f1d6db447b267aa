"""The capacity of architectures, in bits per parameter, from all of their runs.

For each kind of facts, family, number of exposures and variant: C with its 95 % interval, how sharp the corner
is between C times the parameters and the bits of the dataset (k), by how much runs lie apart (spread), and
what speaks against one C. By default of weights as trained, without junk and without training at few bits (qat);
where there are runs of the experiment `saturation`, by these alone, as in its figure. docs/comparing.md says how it
is found.
"""

import argparse

from knowledge_capacity import console
from knowledge_capacity.capacity import conditions, families
from knowledge_capacity.specs import FULL_PRECISION


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    where = conditions.parse(arguments.where, "--where")
    rows = families.chosen(arguments.measurements, where, "saturation", {"variant": FULL_PRECISION})
    print(families.table(families.fits(rows)))


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="fit", description=__doc__, formatter_class=formatter, epilog=conditions.FIELDS_HELP
    )
    conditions.add_measurements(parser)
    parser.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="FIELD=VALUE",
        help="which measurements: kind=bioS … (default: variant=fp32, with neither junk nor qat unless a field of "
        "these, recipe or experiment is named)",
    )
    console.main(job, parser)
