"""How many parameters hold English Wikipedia and textbooks, or any other corpus, from a measured capacity.

The capacity is that of a family of models at one number of exposures, with its interval (see fit.py); or give
one with --capacity. How many bits of knowledge a word holds is an assumption: 0.68 is what the claim of
Allen-Zhu & Li 2024 amounts to, 14 billion bits in 20.5 billion words.
"""

import argparse

from knowledge_capacity import console
from knowledge_capacity.capacity import extrapolation, families, measurement, pairing
from knowledge_capacity.capacity.extrapolation import BITS_PER_WORD, DENSITIES, WORDS
from knowledge_capacity.capacity.seeds import Interval
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import FULL_PRECISION

DEFAULTS = {"kind": "bioS", "family": "gpt2", "variant": FULL_PRECISION}


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    for option in ("bits", "words", "bits_per_word"):
        value = getattr(arguments, option)
        if value is not None and not value > 0:
            raise UserError(f"--{option.replace('_', '-')} {value:g}: write a number above 0.")
    if arguments.bits:
        corpus = extrapolation.Corpus("corpus", arguments.bits)
    else:
        words = arguments.words or sum(WORDS.values())
        name = "corpus" if arguments.words else " and ".join(WORDS)
        corpus = extrapolation.Corpus(name, words * arguments.bits_per_word, words)
    low, high = sorted(arguments.range)
    if not low > 0:
        raise UserError(f"--range {low:g} {high:g}: bits a word are above 0.")
    capacity, sizes, remarks = chosen(arguments)
    print(extrapolation.headline(corpus, (low, high), capacity, sizes))
    print("\n".join(remarks))


def chosen(arguments: argparse.Namespace) -> tuple[Interval, tuple[float, float] | None, list[str]]:
    """The capacity to reckon with, the sizes it was measured at, and what speaks against it."""
    if given := arguments.capacity:
        if len(given) not in (1, 3) or min(given) <= 0:
            raise UserError("--capacity: write one number above 0, or three: the value and its interval.")
        ends = sorted(given)
        return Interval(given[0], ends[0], ends[-1]), None, []
    where = {**DEFAULTS, **pairing.conditions(arguments.where, "--where")}
    rows = families.usable(measurement.read(arguments.measurements).to_pandas())
    rows = pairing.select(rows, where, "--where")
    if "exposures" not in where:
        rows = rows[rows.exposures == rows.exposures.max()]
    found = families.fits(rows)
    if len(found) > 1:
        names = "; ".join(", ".join(map(str, key)) for key in found)
        raise UserError(f"--where leaves several capacities: {names}. Add conditions until there is one.")
    ((key, one),) = found.items()
    if isinstance(one, str):
        raise UserError(f"{', '.join(map(str, key))}: {one}")
    capacity = one.capacity
    if one.bound == "low":
        raise UserError(f"{', '.join(map(str, key))}: {one.warnings[0]}")
    basis = f"The capacity is that of {', '.join(map(str, key))}, by {one.runs} runs."
    sizes = rows.n_parameters.min(), rows.n_parameters.max()
    return capacity, sizes, [basis, *one.warnings]


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="estimate", description=__doc__, formatter_class=formatter)
    pairing.add_measurements(parser)
    parser.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="FIELD=VALUE",
        help="which measurements (default: kind=bioS family=gpt2 variant=fp32, at most exposures)",
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
        default=BITS_PER_WORD,
        metavar="N",
        help="an assumption (default: 0.68, what the paper's claim amounts to)",
    )
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        default=DENSITIES,
        metavar=("LOW", "HIGH"),
        help="bits a word to reckon with as well (default: half and twice 0.68)",
    )
    console.main(job, parser)
