"""The capacity of an architecture, as exactly as wanted, with as few and as cheap runs as will do.

Makes one run after another, each chosen by what is known so far, until the interval of C is narrow enough.
Runs are those of any study: those that are there are read first, and the same command goes on where it stopped.
With --replay, nothing is run: the search picks among the runs of a measurements file, and is held against
their full grid. docs/capacity.md says how runs are chosen.
"""

import argparse
import math
import tempfile
from itertools import product
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
import pandas as pd
import yaml
from knowledge_capacity import console, layout
from knowledge_capacity.config import suggest_name
from knowledge_capacity.data.lengths import training_words
from knowledge_capacity.files import UserError, atomic_write
from knowledge_capacity.fingerprint import code_fingerprint
from knowledge_capacity.measurements import filters, measurement_table
from knowledge_capacity.planning import next_run
from knowledge_capacity.specs import FULL_PRECISION, Run
from knowledge_capacity.statistics import capacities
from knowledge_capacity.statistics.capacity_fit import Fit, Observation
from knowledge_capacity.statistics.compare import format_decimals
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.current import SCRIPTS, is_trained
from knowledge_capacity.study.running import run_snakemake
from knowledge_capacity.study.study import Study

LIVE = {"datasets": ["bioS-tiny"], "recipe": "bioS-1000", "seeds": 10}  # defaults
CHOICE = ("architectures", *LIVE, "runs", "budget", "configfile")  # options that say what may be run

Names = dict[next_run.Candidate, tuple[Run, str]]  # what each would be, with the name of its dataset


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    check_arguments(arguments)
    if arguments.replay:
        replay_search(arguments)
    else:
        for option, value in LIVE.items():
            if getattr(arguments, option) is None:
                setattr(arguments, option, value)
        search_live(arguments, log)


def check_arguments(arguments: argparse.Namespace) -> None:
    """Refuse numbers that make no sense, and options that another one leaves without effect."""
    if not 0 < arguments.within <= 1:
        raise UserError(
            f"--within {arguments.within:g}: this is a share of C, above 0 and at most 1. Write 0.3 for 30 %."
        )
    for option, least in (("seeds", 1), ("runs", 1), ("budget", math.ulp(0.0))):
        value = getattr(arguments, option)
        if value is not None and not value >= least:
            wanted = f"of at least {least}" if least == 1 else "above 0"
            raise UserError(f"--{option} {value:g}: write a number {wanted}.")
    if not arguments.replay and not arguments.architectures:
        raise UserError("nothing to choose from. Give --architectures NAME …, or --replay FILE.")
    if arguments.replay:
        for option in CHOICE:
            if getattr(arguments, option):
                raise UserError(
                    f"--{option} has no effect beside --replay, which runs nothing. Leave it out."
                )
    elif arguments.where:
        raise UserError("--where has no effect without --replay. Leave it out.")


def search_live(arguments: argparse.Namespace, log: console.Log) -> None:
    """Make runs until C is known, or what was allowed is spent."""
    config, sources = overlay_files.read_configuration(arguments.configfile)
    candidates = list_candidates(overlay_files.make_study(config, sources), arguments)
    if len({one.size for one in candidates}) == 1:
        log.say(
            "search: there is one size alone to choose from, and C counts as known by two at least, so the "
            "search goes on until the runs, FLOPs or seeds are spent. Give more --architectures or --datasets."
        )
    measured = read_finished_runs(candidates, config, arguments)
    before, spent = len(measured), 0.0
    if before:
        log.say(f"search: {before} of {len(candidates)} runs are there already, and are read first")
    while chosen := next_run.choose_next_run(
        list(measured.values()), [one for one in candidates if one not in measured], arguments.within
    ):
        new = len(measured) - before
        if new == arguments.runs or (arguments.budget and spent + chosen.cost > arguments.budget):
            log.say(f"search: the runs or FLOPs allowed are spent; the next run would be {chosen.name}")
            break
        log.say(
            f"search: {describe_fit(next_run.fit_or_none(list(measured.values())))}; run {new + 1}: {chosen.name}"
        )
        run, dataset = candidates[chosen]
        file = Path("results/search") / run.slug / "study.yaml"
        with atomic_write(file) as aside:
            aside.write_text(overlay_yaml(config, [run], [dataset], arguments.recipe))
        run_missing([*arguments.configfile, file], arguments, [chosen])
        measured[chosen] = observe_run(
            measurement_table.read_measurements(measurements_path(chosen)).to_pandas(), chosen
        )
        spent += chosen.cost
    runs = list(measured.values())
    found = next_run.fit_or_none(runs)
    why = next_run.why_not_known(found, runs, arguments.within)
    counts = f"{len(runs)} of {len(candidates)} runs ({len(runs) - before} of them new)"
    outcome = "as narrow as asked" if why is None else why
    known = describe_fit(found)
    lines = [
        f"{known[0].upper()}{known[1:]}, by {counts}; {spent:.3g} FLOPs of training",
        f"--within {arguments.within:g}: {outcome}",
        *(found.warnings if found else []),
    ]
    print("\n".join(lines))


def list_candidates(study: Study, arguments: argparse.Namespace) -> Names:
    """All runs that there are to choose from."""
    found: Names = {}
    for name in arguments.datasets:
        if name not in study.config.datasets:
            remedy = suggest_name(name, study.config.datasets)
            raise UserError(f"--datasets {name}: the configuration has no such dataset. {remedy}")
    for dataset_name, name in product(dict.fromkeys(arguments.datasets), arguments.architectures):
        architecture = overlay_files.find_architecture(study, name)
        dataset, recipe = overlay_files.find_dataset_and_recipe(
            study, dataset_name, arguments.recipe, architecture
        )
        size = overlay_files.count_parameters(
            architecture, overlay_files.text_statistics(dataset, recipe, architecture), recipe.window
        )
        cost = 6.0 * size * training_words(dataset, recipe)
        for seed in range(arguments.seeds):
            run = Run(dataset, architecture, recipe, seed)
            one = next_run.Candidate(
                run.slug, f"{dataset.slug}/{architecture.slug}", seed, size, dataset.bits_max, cost
            )
            found[one] = run, dataset_name
    return found


def read_finished_runs(
    candidates: Names, config: overlay_files.Values, arguments: argparse.Namespace
) -> dict[next_run.Candidate, Observation]:
    """What the runs show that were trained before, and would not be trained again.

    They are measured anew only if the code that measures is another one now.
    """
    found = [one for one, (run, _) in candidates.items() if is_trained(run, layout.RESULTS)]
    code = code_fingerprint(SCRIPTS, "measure.py")
    if stale := [one for one in found if not is_measured(measurements_path(one), code)]:
        runs = [candidates[one] for one in stale]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "study.yaml"
            file.write_text(
                overlay_yaml(config, [run for run, _ in runs], [name for _, name in runs], arguments.recipe)
            )
            run_missing([*arguments.configfile, file], arguments, stale)
    return {
        one: observe_run(measurement_table.read_measurements(measurements_path(one)).to_pandas(), one)
        for one in found
    }


def is_measured(path: Path, code: str) -> bool:
    """Whether a run's measurements are there, whole, and made by this code."""
    try:
        codes = set(measurement_table.read_measurements(path)["capacity_code"].to_pylist())
    except UserError:
        return False
    return codes == {code}


def run_missing(overlays: list[Path], arguments: argparse.Namespace, runs: list[next_run.Candidate]) -> None:
    """Train and measure these runs, as far as that is not done."""
    targets = [str(measurements_path(one)) for one in runs]
    if run_snakemake(overlays, arguments.profile, arguments.cores, targets):
        raise UserError(
            f"{', '.join(one.name for one in runs)} came to no end (see above). The same command goes on from there."
        )


def measurements_path(run: next_run.Candidate) -> Path:
    return layout.measurements_path(run.name)


def overlay_yaml(config: overlay_files.Values, runs: list[Run], datasets: list[str], recipe: str) -> str:
    """The YAML of a study that has these runs, of datasets of these names."""
    architectures = list({run.architecture.slug: run.architecture for run in runs}.values())
    seeds = sorted({run.seed for run in runs})
    found = overlay_files.make_overlay(config, architectures, datasets[0], recipe, None, seeds)
    (grid,) = found["experiments"][overlay_files.EXPERIMENT]["grids"]
    grid["datasets"] = list(dict.fromkeys(datasets))
    return yaml.safe_dump(found, sort_keys=False)


def observe_run(rows: pd.DataFrame, candidate: next_run.Candidate) -> Observation:
    """The run as trained; a run that diverged has learned nothing."""
    rows = rows[rows.variant == FULL_PRECISION]
    if rows.diverged.notna().any():
        return Observation(candidate.size, candidate.seed, candidate.n_parameters, 0.0, candidate.bits_max)
    (one,) = capacities.build_observations(rows)
    return one


def replay_search(arguments: argparse.Namespace) -> None:
    """Search among runs that are there, and make their full grid as well."""
    where = filters.parse_conditions(arguments.where, "--where")
    rows = filters.read_selected_measurements(arguments.replay, where, {"variant": FULL_PRECISION})
    rows = filters.require_rows(capacities.select_usable_rows(rows))
    for key, group in rows.groupby(capacities.GROUP, sort=True):
        outcomes = dict(zip(group.run, capacities.build_observations(group), strict=True))
        candidates = [
            next_run.Candidate(run, one.size, one.seed, one.n_parameters, one.bits_max, cost)
            for (run, one), cost in zip(outcomes.items(), group.train_flops, strict=True)
        ]

        def outcome(one: next_run.Candidate, known: dict[str, Observation] = outcomes) -> Observation:
            return known[one.name]

        print(", ".join(map(str, key)))
        for name, way in (("search", next_run.run_search), ("full grid", next_run.run_grid)):
            made = way(candidates, outcome, arguments.within)
            shown = [outcomes[one.name] for one in made]
            found = next_run.fit_or_none(shown)
            why = next_run.why_not_known(found, shown, arguments.within)
            share = sum(one.cost for one in made) / sum(one.cost for one in candidates)
            print(
                f"  {name}: {len(made)} of {len(candidates)} runs, {100 * share:z.0f} % of all FLOPs, "
                f"{describe_fit(found)}{f'; {why}' if why else ''}"
            )


def describe_fit(found: Fit | None) -> str:
    """What is known of C, in a few words."""
    if not found:
        return "nothing is known yet"
    if found.bound == "low":
        return f"C is at least {format_decimals(found.capacity.low)}"
    return "C = {} ({} to {}) bits per parameter".format(*map(format_decimals, found.capacity))


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="search", description=__doc__, formatter_class=formatter, epilog=filters.FIELDS_HELP
    )
    parser.add_argument("--architectures", nargs="+", default=[], metavar="NAME", help="sizes to choose from")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="default: bioS-tiny")
    parser.add_argument("--recipe", metavar="NAME", help="default: bioS-1000")
    parser.add_argument("--seeds", type=int, metavar="N", help="at most so many (default: 10)")
    parser.add_argument(
        "--within",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="how far the ends of the interval may lie from C (default: 0.1, ten per cent)",
    )
    parser.add_argument("--runs", type=int, metavar="N", help="make no more new runs than this")
    parser.add_argument(
        "--budget", type=float, metavar="FLOPS", help="train for no more than this, new runs together"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="measurements to search among")
    filters.add_where_argument(parser, "with --replay: which measurements")
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of config.yaml"
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(run_job, parser)
