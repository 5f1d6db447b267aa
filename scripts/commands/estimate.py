"""How many parameters hold English Wikipedia and textbooks, or any other corpus, from a measured capacity.

The capacity is that of a family of models at one number of exposures, with its interval (see fit.py), by the runs of
the experiment `estimate`, as in the scorecard, where there are any; or give one with --capacity. How many bits of
knowledge a word holds is an assumption: 0.68 is what the claim of Allen-Zhu & Li 2024 amounts to, 14 billion bits in
20.5 billion words.
"""

import argparse
import math

import _path  # noqa: F401 (first, so that the package is found)
import pandas as pd
from knowledge_capacity import console
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import filters
from knowledge_capacity.specs import FULL_PRECISION
from knowledge_capacity.statistics import capacities, extrapolation
from knowledge_capacity.statistics.extrapolation import BITS_PER_WORD, WORDS, Corpus
from knowledge_capacity.statistics.intervals import Interval

DEFAULTS = {"kind": "bioS", "family": "gpt2", "variant": FULL_PRECISION}
TELLING = ["kind", "family", "optimizer", "exposures", "variant", *sorted(filters.JUNK), "qat", "recipe"]
TELLING += ["architecture"]


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    check_arguments(arguments)
    density = arguments.bits_per_word or BITS_PER_WORD
    if arguments.bits:
        corpus = Corpus("The corpus", arguments.bits)
    else:
        words = arguments.words or sum(WORDS.values())
        corpus = Corpus("The corpus" if arguments.words else " and ".join(WORDS), words * density, words)
    low, high = arguments.range or (density / 2, density * 2)
    if given := arguments.capacity:
        capacity = Interval(*given) if len(given) == 3 else Interval(*given * 3)
        print(extrapolation.describe_estimate(corpus, (low, high), capacity, None))
        return
    capacity, sizes, remarks = measured_capacity(arguments)
    print("\n".join([extrapolation.describe_estimate(corpus, (low, high), capacity, sizes), *remarks]))


def check_arguments(arguments: argparse.Namespace) -> None:
    """Refuse numbers that make no sense, and options that another one leaves without effect."""
    for option in ("bits", "words", "bits_per_word", "range", "capacity"):
        value = getattr(arguments, option)
        numbers = value if isinstance(value, list) else [value]
        for number in numbers if value is not None else ():
            if not 0 < number < math.inf:
                name = f"--{option.replace('_', '-')}"
                raise UserError(f"{name} {number:g}: this is no amount. Write a number above 0.")
    for option, others in (
        ("bits", ("words", "bits_per_word", "range")),
        ("capacity", ("where",)),
    ):
        for other in others:
            if getattr(arguments, option) and getattr(arguments, other):
                name = f"--{other.replace('_', '-')}"
                raise UserError(f"{name} has no effect beside --{option}. Leave one of them out.")
    if arguments.range and arguments.range[0] > arguments.range[1]:
        raise UserError("--range {:g} {:g}: write the lower one first.".format(*arguments.range))
    if given := arguments.capacity:
        value, low, high = given if len(given) == 3 else (given[0],) * 3
        if len(given) not in (1, 3) or not low <= value <= high:
            raise UserError(
                f"--capacity {' '.join(f'{one:g}' for one in given)}: write one number, or three: the value, "
                "and the lower and the upper end of its interval around it."
            )


def measured_capacity(arguments: argparse.Namespace) -> tuple[Interval, tuple[float, float], list[str]]:
    """The capacity to reckon with, the sizes it was measured at, and what speaks against it."""
    where = filters.parse_conditions(arguments.where, "--where")
    rows = capacities.select_capacity_rows(arguments.measurements, where, "estimate", DEFAULTS, others=False)
    if "exposures" not in where:
        rows = rows[rows.exposures == rows.exposures.max()]
    rows = capacities.select_main_data(rows)
    found = capacities.fit_capacities(rows)
    if len(found) > 1:
        names = "; ".join(", ".join(map(str, key)) for key in found)
        raise UserError(f"--where leaves several capacities: {names}. {suggest_condition(rows)}")
    ((key, one),) = found.items()
    name = ", ".join(map(str, key))
    if isinstance(one, str):
        raise UserError(f"{name}: there is no capacity. {one}")
    if not one.determined:
        raise UserError(f"{name}: there is no capacity to reckon with. {one.warnings[0]}")
    basis = f"The capacity is that of {name}, by {one.runs} runs."
    return one.capacity, (rows.n_parameters.min(), rows.n_parameters.max()), [basis, *one.warnings]


def suggest_condition(rows: pd.DataFrame) -> str:
    """A remedy: the conditions of the first field that tells the capacities apart."""
    groups = [group for _, group in rows.groupby(capacities.GROUP, sort=True)]
    for field in TELLING:
        values = [sorted(set(group[field].map(filters.format_value))) for group in groups]
        if sum(map(len, values)) == len({value for one in values for value in one}):
            return f"Add one of: {', '.join(f'{field}={one[0]}' for one in values)}."
    return "Add conditions until there is one."


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="estimate", description=__doc__, formatter_class=formatter, epilog=filters.FIELDS_HELP
    )
    filters.add_measurements_argument(parser)
    filters.add_where_argument(
        parser,
        "which measurements (default: kind=bioS family=gpt2 variant=fp32, at most exposures, with neither "
        "junk nor qat unless a field of these, recipe or experiment is named; of several kinds of facts, that of the "
        "largest model)",
    )
    parser.add_argument(
        "--capacity",
        type=float,
        nargs="+",
        metavar="C",
        help="bits per parameter, in place of measurements: C, or C LOW HIGH",
    )
    parser.add_argument("--bits", type=float, metavar="N", help="bits of knowledge of a corpus of yours")
    parser.add_argument("--words", type=float, metavar="N", help="words of a corpus of yours")
    parser.add_argument(
        "--bits-per-word",
        type=float,
        metavar="N",
        help="an assumption (default: 0.68, what the paper's claim amounts to)",
    )
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="bits a word to reckon with as well (default: half of and twice --bits-per-word)",
    )
    console.main(run_job, parser)
