"""The capacity of an architecture, as exactly as wanted, with as few and as cheap runs as will do.

Makes one run after another, each chosen by what is known so far, until the interval of C is narrow enough.
Runs are those of any study: what is there is not made again, and the same command goes on where it stopped.
With --replay, nothing is run: the search picks among the runs of a measurements file, and is held against
their full grid. docs/comparing.md says how runs are chosen.
"""

import argparse
from itertools import product
from pathlib import Path

import pandas as pd
import yaml
from knowledge_capacity import console
from knowledge_capacity.bits import request
from knowledge_capacity.bits.workflow import snakemake
from knowledge_capacity.capacity import families, measurement, pairing, search
from knowledge_capacity.capacity.compare import decimals
from knowledge_capacity.capacity.saturation import Fit, Observation
from knowledge_capacity.data.lengths import training_words
from knowledge_capacity.files import UserError, replacing
from knowledge_capacity.specs import FULL_PRECISION, Run


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    if not arguments.within > 0:
        raise UserError(f"--within {arguments.within:g}: the interval has a width. Write a number above 0.")
    if not arguments.replay and not arguments.architectures:
        raise UserError("nothing to choose from. Give --architectures NAME …, or --replay FILE.")
    if arguments.replay:
        replay(arguments)
    else:
        live(arguments, log)


def live(arguments: argparse.Namespace, log: console.Log) -> None:
    """Make runs until C is known, or what was allowed is spent."""
    config, sources = request.configuration(arguments.configfile)
    study = request.study_of(config, sources)
    candidates: dict[search.Candidate, tuple[Run, str, str]] = {}
    for dataset_name, name in product(arguments.datasets, arguments.architectures):
        architecture = request.named(study, name)
        dataset, recipe = request.chosen(study, dataset_name, arguments.recipe, architecture)
        size = request.size_of(architecture, request.texts_of(dataset, recipe, architecture), recipe.window)
        cost = 6.0 * size * training_words(dataset, recipe)
        for seed in range(arguments.seeds):
            run = Run(dataset, architecture, recipe, seed)
            one = search.Candidate(
                run.slug, f"{dataset.slug}/{architecture.slug}", seed, size, dataset.bits_max, cost
            )
            candidates[one] = run, dataset_name, name
    made: dict[search.Candidate, Observation] = {}
    spent = 0.0
    while chosen := search.next_run(
        list(made.values()), [one for one in candidates if one not in made], arguments.within
    ):
        if len(made) == arguments.runs or (arguments.budget and spent + chosen.cost > arguments.budget):
            log.say(f"search: the runs or FLOPs allowed are spent; the next run would be {chosen.name}")
            break
        log.say(f"search: {said(search.known(list(made.values())))}; run {len(made) + 1}: {chosen.name}")
        run, dataset_name, name = candidates[chosen]
        overlay = request.overlay(
            config, [run.architecture], dataset_name, arguments.recipe, None, [run.seed]
        )
        file = Path("results/search") / run.slug / "study.yaml"
        with replacing(file) as aside:
            aside.write_text(yaml.safe_dump(overlay, sort_keys=False))
        target = f"results/runs/{run.slug}/measurements.parquet"
        if snakemake([*arguments.configfile, file], arguments.profile, arguments.cores, [target]):
            raise UserError(f"{run.slug} came to no end (see above). The same command goes on from there.")
        made[chosen] = observed(measurement.read(Path(target)).to_pandas(), chosen)
        spent += chosen.cost
    found = search.known(list(made.values()))
    print(
        f"{said(found)}, by {len(made)} of {len(candidates)} runs; {console.amount(spent)} FLOPs of training"
    )
    print("\n".join(found.warnings if found else []))


def observed(rows: pd.DataFrame, candidate: search.Candidate) -> Observation:
    """The run as trained; a run that diverged has learned nothing."""
    rows = rows[rows.variant == FULL_PRECISION]
    if rows.diverged.notna().any():
        return Observation(candidate.size, candidate.seed, candidate.n_parameters, 0.0, candidate.bits_max)
    (one,) = families.observations(rows)
    return one


def replay(arguments: argparse.Namespace) -> None:
    """Search among runs that are there, and make their full grid as well."""
    where = pairing.conditions(arguments.where, "--where")
    rows = families.usable(measurement.read(arguments.replay).to_pandas())
    rows = pairing.select(rows, {"variant": FULL_PRECISION, **where}, "--where")
    for key, group in rows.groupby(families.GROUP, sort=True):
        outcomes = dict(zip(group.run, families.observations(group), strict=True))
        candidates = [
            search.Candidate(run, one.size, one.seed, one.n_parameters, one.bits_max, cost)
            for (run, one), cost in zip(outcomes.items(), group.train_flops, strict=True)
        ]

        def outcome(one: search.Candidate, known: dict[str, Observation] = outcomes) -> Observation:
            return known[one.name]

        print(", ".join(map(str, key)))
        for name, way in (("search", search.searched), ("full grid", search.gridded)):
            made = way(candidates, outcome, arguments.within)
            found = search.known([outcomes[one.name] for one in made])
            reached = search.narrow(found, [outcomes[one.name] for one in made], arguments.within)
            share = sum(one.cost for one in made) / sum(one.cost for one in candidates)
            print(
                f"  {name}: {len(made)} of {len(candidates)} runs, {100 * share:.0f} % of all FLOPs, "
                f"{said(found)}{'' if reached else '; wider than asked'}"
            )


def said(found: Fit | None) -> str:
    """What is known of C, in a few words."""
    if not found:
        return "nothing is known yet"
    if found.bound == "low":
        return f"C is at least {decimals(found.capacity.low)}"
    return "C = {} ({} to {}) bits per parameter".format(*map(decimals, found.capacity))


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="search", description=__doc__, formatter_class=formatter)
    parser.add_argument("--architectures", nargs="+", default=[], metavar="NAME", help="sizes to choose from")
    parser.add_argument(
        "--datasets", nargs="+", default=["bioS-tiny"], metavar="NAME", help="default: bioS-tiny"
    )
    parser.add_argument("--recipe", default="bioS-1000", metavar="NAME", help="default: bioS-1000")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="at most so many (default: 10)")
    parser.add_argument(
        "--within",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="how far the ends of the interval may lie from C (default: 0.1, ten per cent)",
    )
    parser.add_argument("--runs", type=int, metavar="N", help="make no more runs than this")
    parser.add_argument("--budget", type=float, metavar="FLOPS", help="train for no more than this")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="measurements to search among")
    parser.add_argument(
        "--where", nargs="+", default=[], metavar="FIELD=VALUE", help="with --replay: which measurements"
    )
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of config.yaml"
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(job, parser)
