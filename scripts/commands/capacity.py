"""The capacity of architectures, in bits per parameter, from all of their runs.

For each kind of facts, family, number of exposures and variant: C with its 95 % interval, how sharp the corner
is between C times the parameters and the bits of the dataset (k), by how much runs lie apart (spread), and
what speaks against one C. By default of weights as trained, without junk and without training at few bits (qat);
where there are runs of the experiment `saturation`, by these alone, as in its figure. docs/capacity.md says how it
is found.
"""

import argparse

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.measurements import filters
from knowledge_capacity.specs import FULL_PRECISION
from knowledge_capacity.statistics import capacities


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    where = filters.parse_conditions(arguments.where, "--where")
    rows = capacities.select_capacity_rows(
        arguments.measurements, where, "saturation", {"variant": FULL_PRECISION}
    )
    print(capacities.format_fits(capacities.fit_capacities(rows)))


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="capacity", description=__doc__, formatter_class=formatter, epilog=filters.FIELDS_HELP
    )
    filters.add_measurements_argument(parser)
    filters.add_where_argument(
        parser,
        "which measurements: kind=bioS … (default: variant=fp32, with neither junk nor qat unless a field of "
        "these, recipe or experiment is named)",
    )
    console.main(run_job, parser)
