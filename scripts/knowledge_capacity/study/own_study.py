"""What the commands about one's own model share: their options, and a study of that model from question to rows."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
import yaml

from .. import console, layout
from ..files import UserError, atomic_write, read_parquet
from ..measurements import collecting, learning_rates, locations, measurement_table
from ..models import trial
from ..models.build import build_model, n_parameters
from ..models.configurations import settle_architecture
from ..models.effects import IDLE_FIELDS, drop_idle_fields
from ..specs import (
    FULL_PRECISION,
    AnyArchitecture,
    Architecture,
    Checkpoint,
    Dataset,
    PythonModel,
    Recipe,
    TransformersModel,
)
from ..statistics.readiness import late_share
from ..statistics.spread import add_spreads
from ..training.adapters import AdaptedModel
from . import overlay_files
from .adapter_option import parse_adapter
from .architecture_checks import decoder_problems
from .running import run_snakemake

SIDE_BY_SIDE = ("--set-resources", "train:apart=1")


@dataclass(frozen=True)
class Setting:
    """What options name. config: of the study, merged. size: of the model, in parameters."""

    config: overlay_files.Values
    dataset: Dataset
    recipe: Recipe
    model: AnyArchitecture
    texts: overlay_files.TextStatistics
    size: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say on what, and how, a model of one's own is trained."""
    parser.add_argument("--arguments", default="{}", metavar="JSON", help="arguments of the function")
    parser.add_argument("--fields", default="{}", metavar="JSON", help="values of the configuration")
    parser.add_argument("--dataset", default="bioS-tiny", metavar="NAME", help="default: bioS-tiny")
    parser.add_argument("--recipe", default="bioS-1000", metavar="NAME", help="default: bioS-1000")
    parser.add_argument("--exposures", type=int, metavar="N", help="in place of the recipe's")
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of config.yaml"
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")


def find_model(arguments: argparse.Namespace) -> AnyArchitecture:
    """The model that is named: an architecture of the study, or one of the user's own. Raises UserError for others."""
    values = {
        option: overlay_files.parse_json_option(getattr(arguments, option), f"--{option}")
        for option in ("arguments", "fields")
    }
    study = overlay_files.make_study(*overlay_files.read_configuration(arguments.configfile))
    if not (named := study.config.architecture(arguments.model)):
        return overlay_files.parse_model_argument(arguments.model, **values)
    if given := [f"--{option}" for option in values if values[option]]:
        raise UserError(f"{given[0]}: the name {arguments.model} says all about that model. Leave it out.")
    if isinstance(named, Architecture):
        for problem in decoder_problems((), named):
            raise UserError(f"{arguments.model}: {problem.reason}. {problem.remedy}")
    return named


def read_setting(arguments: argparse.Namespace, model: AnyArchitecture, log: console.Log) -> Setting:
    """What the options name, once the model was built and tried. Raises UserError where it cannot be trained so."""

    def say(line: str) -> None:
        log.say(f"{log.job}: {line}")

    if isinstance(model, TransformersModel):
        settled = settle_architecture(model)
        model, _ = settled.architecture, list(map(say, settled.notes))
    config, sources = overlay_files.read_configuration(arguments.configfile)
    study = overlay_files.make_study(config, sources)
    dataset, recipe = overlay_files.find_dataset_and_recipe(study, arguments.dataset, arguments.recipe, model)
    recipe = replace(recipe, exposures=arguments.exposures or recipe.exposures)
    texts = overlay_files.text_statistics(dataset, recipe, model)
    if isinstance(model, PythonModel):
        say(f"running {model.function}, since you named it")
    if isinstance(model, TransformersModel):
        model, idle = drop_idle_fields(model, texts.vocabulary, recipe.window)
        if idle:
            say(f"{arguments.model}: {IDLE_FIELDS.format(', '.join(idle), recipe.window)}, and left out")
    if wanted := getattr(arguments, "adapter", None):
        adapter = parse_adapter(wanted, dataset, recipe, isinstance(model, Checkpoint))
        AdaptedModel(
            build_model(model, texts.vocabulary, recipe.window, seed=0), adapter, seed=0
        )  # which may refuse
        recipe = replace(recipe, adapter=adapter)
    built = build_model(model, texts.vocabulary, recipe.window, seed=0)
    size = n_parameters(built, texts.used, recipe.window)
    lengths = (recipe.window, texts.shortest, texts.longest)
    trained = isinstance(model, Checkpoint)
    if without := trial.check_model(built, arguments.model, texts.vocabulary, lengths, trained, say):
        say(f"no gradient reaches {without:,} of the parameters; they count nevertheless")
    if isinstance(model, PythonModel | TransformersModel):
        trial.check_rebuilding(model, arguments.model, texts.vocabulary, recipe.window)
    return Setting(config, dataset, recipe, model, texts, size)


def write_overlay(
    setting: Setting,
    others: Sequence[AnyArchitecture],
    seeds: list[int],
    arguments: argparse.Namespace,
    folder: Path,
) -> Path:
    """Write the study of the model and of others beside it to a file in a folder of results, and give that."""
    overlay = overlay_files.make_overlay(
        setting.config,
        [setting.model, *others],
        arguments.dataset,
        arguments.recipe,
        arguments.exposures,
        seeds,
        setting.recipe.adapter,
    )
    name = "-".join([arguments.dataset, arguments.recipe, *map(str, filter(None, [arguments.exposures]))])
    name += setting.recipe.adapter.slug if setting.recipe.adapter else ""
    file = folder / setting.model.slug / name / "study.yaml"
    with atomic_write(file) as aside:
        aside.write_text(yaml.safe_dump(overlay, sort_keys=False))
    return file


def run_study(overlays: Sequence[Path], arguments: argparse.Namespace) -> tuple[int, pd.DataFrame | None]:
    """Train and measure a study's runs, and give the exit status and the measurements; None where some are missing.

    These are also written beside the last overlay: figures and tables of the study that ran before stay as they are.
    The measurements are as trained, at the best learning rate, with what cells of their kind say of the spread of seeds
    (`spread.add_spreads`), these and the published ones, and with what was learned late (`readiness.late_share`).
    On a processor each run is a job, so that seeds keep all cores busy; on a GPU they are trained in stacks.
    """
    study = overlay_files.make_study(*overlay_files.read_configuration(overlays))
    files = [layout.measurements_path(run) for run in study.runs]
    options = () if torch.cuda.is_available() or arguments.profile != "local" else SIDE_BY_SIDE
    targets = list(map(str, files))
    status = run_snakemake(overlays, arguments.profile, arguments.cores, targets, options=options)
    if not all(path.exists() for path in files):
        return status, None
    asked = collecting.parse_requests(json.dumps(study.asked()))
    measured = learning_rates.mark_best_learning_rates(
        collecting.collect_measurements(asked, layout.RESULTS / "runs")
    )
    measurement_table.write_measurements(overlays[-1].with_name("measurements.parquet"), measured)
    rows = measured.to_pandas()
    known = pd.concat([rows, read_published()]).drop_duplicates(["run", "variant"])
    rows = add_spreads(rows[rows.lr_best & (rows.variant == FULL_PRECISION)], known)
    return status, rows.assign(late_share=[_late_share(row) for _, row in rows.iterrows()])


def _late_share(row: pd.Series) -> float:
    """What a run learned in the last tenth of its training; NaN where its log is not there, or does not tell."""
    file = layout.measurements_path(row.run).with_name("training.parquet")
    return late_share(row, read_parquet(file).to_pylist()) if file.is_file() else math.nan


def read_published() -> pd.DataFrame:
    """The published measurements, which tell how far seeds of models of a kind lie apart; none where they are gone."""
    file = layout.RESULTS / locations.PUBLISHED / layout.MEASUREMENTS
    if not file.is_file():
        return measurement_table.SCHEMA.empty_table().to_pandas()
    return measurement_table.read_measurements(file).to_pandas()
