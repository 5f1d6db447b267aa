"""Bits per parameter of your own model, beside a GPT-2 with as many parameters.

MODEL is path/to/file.py:function (a function that gives a torch module), a configuration class of
transformers such as Qwen3Config, the path of a config.json, the name of an architecture such as
llama-2-1-d12, or a folder with a model that was trained elsewhere on the dataset and is only measured.
docs/your-own-model.md tells more.
"""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report import writing
from knowledge_capacity.specs import Adapter, Checkpoint
from knowledge_capacity.statistics.noise import describe_expectation
from knowledge_capacity.statistics.own_model import format_answer
from knowledge_capacity.statistics.spread import expected_spread
from knowledge_capacity.study import overlay_files, own_study
from knowledge_capacity.study.running import refuse_unfinished

SEEDS = [0, 1, 2]


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    yours = own_study.find_model(arguments)
    trained = isinstance(yours, Checkpoint) and not arguments.adapter
    seeds = arguments.seeds or ([0] if trained else SEEDS)
    if trained and len(seeds) > 1:
        raise UserError(f"--seeds: {yours.slug} was trained on the people of one seed. Give that one.")
    setting = own_study.read_setting(arguments, yours, log)
    yours = setting.model
    adapter = setting.recipe.adapter
    # a GPT-2 beside a trained model would have to be trained as that was
    alone = adapter and isinstance(yours, Checkpoint)
    other = None if alone else overlay_files.nearest_gpt2(setting.size, setting.texts)
    other = None if other == yours else other
    file = own_study.write_overlay(setting, [other] if other else [], seeds, arguments, Path("results/yours"))
    beside = f"; beside it, {other.slug}" if other else ""
    log.say(f"bits: {yours.slug} has about {setting.size:,} parameters{beside}. The study is {file}")
    if adapter:
        log.say(f"bits: only the adapter is trained and counted{_describe_base(adapter)}")
    elif not trained:
        expected = expected_spread(setting.dataset, setting.recipe, setting.size, own_study.read_published())
        log.say(f"bits: {describe_expectation(expected, len(seeds))}")
    status, rows = own_study.run_study([*arguments.configfile, file], arguments)
    said = (
        "" if rows is None else format_answer(rows, yours.slug, other.slug if other else None, bool(adapter))
    )
    refuse_unfinished(status)  # after the answer, which says it best if a run diverged
    print(f"\n{said}\n")
    measurements, figure = file.with_name("measurements.parquet"), file.with_name(overlay_files.EXPERIMENT)
    table = measurement_table.read_measurements(measurements)
    writing.write_figure(overlay_files.EXPERIMENT, table, figure)
    print(f"figure: {figure}.pdf\nmeasurements: {measurements}")


def _describe_base(adapter: Adapter) -> str:
    base = adapter.base
    if not base:
        return ""
    what = {"others": "other people", "strings": "random strings"}[base.trained_on]
    return f"; before, the model is trained on {base.people:,} {what}"


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
    parser.add_argument(
        "--adapter",
        metavar="rank=N,targets=WHERE",
        help="train low-rank updates in place of the models, and count these: targets are layers (the default), "
        "attention, mlp or embeddings; base=others, strings or none says what an untrained model is trained on first",
    )
    own_study.add_options(parser)
    console.main(run_job, parser)
