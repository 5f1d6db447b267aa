"""How the bits per parameter of one run move with each convention of the measurement."""

import argparse
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
from knowledge_capacity import console, devices
from knowledge_capacity.figures import budget_bars
from knowledge_capacity.files import atomic_write, write_json
from knowledge_capacity.measuring.error_budget import measure_conventions
from knowledge_capacity.measuring.trained_run import TrainedRun
from knowledge_capacity.models import store
from knowledge_capacity.report import writing
from knowledge_capacity.specs import parse_run


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    subject = TrainedRun.read(parse_run(arguments.run), arguments.results)
    slug = subject.run.slug
    n_people = arguments.scored_people or subject.run.dataset.n_people
    try:
        with devices.hold_device(arguments) as device:
            model = subject.model(store.read_weights(subject.source)).to(device)
            found = measure_conventions(subject, model, device, n_people)
        text = budget_bars.format_budget_table(slug, found)
    except store.Diverged as error:  # no error budget, and no reason to keep the study from its figures
        found, text = [], f"{slug}: {error}\n"
    write_json(
        arguments.output.with_suffix(".json"),
        {"run": slug, "conventions": [{**asdict(one), "ratio": one.ratio} for one in found]},
    )
    figure = budget_bars.draw_budget(slug, found) if found else plt.figure()
    with atomic_write(arguments.output.with_suffix(".png")) as aside:
        figure.savefig(aside, format="png", metadata=writing.UNDATED["png"])
    with atomic_write(arguments.output.with_suffix(".md")) as aside:
        aside.write_text(text, encoding="utf-8")
    log.write(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="error_budget", description=__doc__)
    parser.add_argument("--run", required=True, metavar="JSON", help="the run's spec")
    parser.add_argument(
        "--results", required=True, type=Path, metavar="FOLDER", help="of data and runs, such as results"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="PATH", help="without an ending")
    parser.add_argument(
        "--scored-people", type=int, metavar="N", help="score the first N only, to stand for all"
    )
    devices.add_arguments(parser)
    console.main(run_job, parser)
