"""Bits per parameter of your own model, beside a GPT-2 with as many parameters.

MODEL is path/to/file.py:function (a function that gives a torch module), a configuration class of
transformers such as Qwen3Config, the path of a config.json, or a folder with a model that was trained
elsewhere on the dataset and is only measured. docs/your-own-model.md tells more.
"""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
import pandas as pd
import pyarrow as pa
import yaml
from knowledge_capacity import console, layout
from knowledge_capacity.files import UserError, atomic_write
from knowledge_capacity.measurements import learning_rates, locations, measurement_table
from knowledge_capacity.models import trial
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.specs import FULL_PRECISION, Checkpoint, PythonModel
from knowledge_capacity.statistics.own_model import format_answer
from knowledge_capacity.statistics.spread import add_spreads
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.running import run_snakemake

SEEDS = [0, 1, 2]


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    yours = overlay_files.parse_model_argument(
        arguments.model,
        overlay_files.parse_json_option(arguments.arguments, "--arguments"),
        overlay_files.parse_json_option(arguments.fields, "--fields"),
    )
    trained = isinstance(yours, Checkpoint)
    seeds = arguments.seeds or ([0] if trained else SEEDS)
    if trained and len(seeds) > 1:
        raise UserError(f"--seeds: {yours.slug} was trained on the people of one seed. Give that one.")
    config, sources = overlay_files.read_configuration(arguments.configfile)
    study = overlay_files.make_study(config, sources)
    dataset, recipe = overlay_files.find_dataset_and_recipe(study, arguments.dataset, arguments.recipe, yours)

    texts = overlay_files.text_statistics(dataset, recipe, yours)
    if isinstance(yours, PythonModel):
        log.say(f"bits: running {yours.function}, since you named it")
    model = build_model(yours, texts.vocabulary, recipe.window, seed=0)
    size = n_parameters(model, texts.used, recipe.window)
    lengths = (recipe.window, texts.shortest, texts.longest)
    without = trial.check_model(model, arguments.model, texts.vocabulary, lengths, trained)
    if without:
        log.say(f"bits: no gradient reaches {without:,} of the parameters; they count nevertheless")
    other = overlay_files.nearest_gpt2(size, texts)

    overlay = overlay_files.make_overlay(
        config, [yours, other], arguments.dataset, arguments.recipe, arguments.exposures, seeds
    )
    name = "-".join([arguments.dataset, arguments.recipe, *map(str, filter(None, [arguments.exposures]))])
    file = Path("results/yours") / yours.slug / name / "study.yaml"
    with atomic_write(file) as aside:
        aside.write_text(yaml.safe_dump(overlay, sort_keys=False))
    overlays = [*arguments.configfile, file]
    runs = overlay_files.make_study(*overlay_files.read_configuration(overlays)).runs
    log.say(f"bits: {yours.slug} has about {size:,} parameters; beside it, {other.slug}. The study is {file}")
    status = run_snakemake(overlays, arguments.profile, arguments.cores)

    files = [layout.measurements_path(run) for run in runs]
    said = ""
    if all(path.exists() for path in files):
        measured = pa.concat_tables([measurement_table.read_measurements(path) for path in files])
        rows = learning_rates.mark_best_learning_rates(measured).to_pandas()
        rows = add_spreads(rows[rows.lr_best & (rows.variant == FULL_PRECISION)], _known_cells(measured))
        said = format_answer(rows, yours.slug, other.slug)
    if status:  # after the answer, which says it best if a run diverged
        raise UserError("not all jobs came to their end (see above). The same command goes on from there.")
    print(f"\n{said}\n")
    print(
        f"figure: results/figures/{overlay_files.EXPERIMENT}.pdf  measurements: results/measurements.parquet"
    )


def _known_cells(measured: pa.Table) -> pd.DataFrame:
    """These measurements and the published ones, which tell how far seeds of models of their kind lie apart."""
    tables = [measured]
    if (published := layout.RESULTS / locations.PUBLISHED / layout.MEASUREMENTS).is_file():
        tables.append(measurement_table.read_measurements(published))
    return pa.concat_tables(tables).to_pandas()


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bits", description=__doc__, formatter_class=formatter)
    parser.add_argument("model", metavar="MODEL", help="what to measure")
    parser.add_argument("--arguments", default="{}", metavar="JSON", help="arguments of the function")
    parser.add_argument("--fields", default="{}", metavar="JSON", help="values of the configuration")
    parser.add_argument("--dataset", default="bioS-tiny", metavar="NAME", help="default: bioS-tiny")
    parser.add_argument("--recipe", default="bioS-1000", metavar="NAME", help="default: bioS-1000")
    parser.add_argument("--exposures", type=int, metavar="N", help="in place of the recipe's")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="SEED",
        help="default: 0 1 2; for a trained model its own, or 0",
    )
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of config.yaml"
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(run_job, parser)
