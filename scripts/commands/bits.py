"""Bits per parameter of your own model, beside a GPT-2 with as many parameters.

MODEL is path/to/file.py:function (a function that gives a torch module), a configuration class of
transformers such as Qwen3Config, the path of a config.json, or a folder with a model that was trained
elsewhere on the dataset and is only measured. docs/your-own-model.md tells more.
"""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import Checkpoint
from knowledge_capacity.statistics.noise import describe_expectation
from knowledge_capacity.statistics.own_model import format_answer
from knowledge_capacity.statistics.spread import expected_spread
from knowledge_capacity.study import overlay_files, own_study
from knowledge_capacity.study.running import refuse_unfinished

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
    setting = own_study.read_setting(arguments, yours, log)
    yours = setting.model
    other = overlay_files.nearest_gpt2(setting.size, setting.texts)
    file = own_study.write_overlay(setting, [other], seeds, arguments, Path("results/yours"))
    log.say(
        f"bits: {yours.slug} has about {setting.size:,} parameters; beside it, {other.slug}. The study is {file}"
    )
    if not trained:
        expected = expected_spread(setting.dataset, setting.recipe, setting.size, own_study.read_published())
        log.say(f"bits: {describe_expectation(expected, len(seeds))}")
    status, rows = own_study.run_study([*arguments.configfile, file], arguments)
    said = "" if rows is None else format_answer(rows, yours.slug, other.slug)
    refuse_unfinished(status)  # after the answer, which says it best if a run diverged
    print(f"\n{said}\n")
    print(
        f"figure: results/figures/{overlay_files.EXPERIMENT}.pdf  measurements: results/measurements.parquet"
    )


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bits", description=__doc__, formatter_class=formatter)
    parser.add_argument("model", metavar="MODEL", help="what to measure")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="SEED",
        help="default: 0 1 2; for a trained model its own, or 0",
    )
    own_study.add_options(parser)
    console.main(run_job, parser)
