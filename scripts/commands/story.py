"""A page for a lecture: what a bit of knowledge is, and one model that fills up with them.

It trains and measures the runs of studies/story.yaml that are not there yet.
"""

import argparse
import datetime
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console, layout
from knowledge_capacity.files import atomic_write
from knowledge_capacity.measurements import locations, measurement_table
from knowledge_capacity.report import story, story_law, story_model
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.running import refuse_unfinished, run_snakemake


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    law = story_law.select_points(measurement_table.read_measurements(arguments.measurements).to_pandas())
    study = overlay_files.make_study(*overlay_files.read_configuration(arguments.configfile))
    story_model.order_runs(study)  # before hours of training
    files = [str(layout.measurements_path(run)) for run in study.runs]
    refuse_unfinished(run_snakemake(arguments.configfile, arguments.profile, arguments.cores, files))
    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d at %H:%M UTC")
    page = story.render_page(story_model.read_model(study, layout.RESULTS), law, made)
    with atomic_write(arguments.output) as aside:
        aside.write_text(page, encoding="utf-8")
    log.say(f"story: {arguments.output}, {len(page.encode()) / 1000:.0f} KB; open it in a browser")


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="story", description=__doc__, formatter_class=formatter)
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[Path("studies/story.yaml")],
        metavar="FILE",
        help="overlays of config.yaml; a study of one model with several exposures (default: studies/story.yaml)",
    )
    parser.add_argument(
        "--measurements",
        type=Path,
        default=layout.RESULTS / locations.PUBLISHED / layout.MEASUREMENTS,
        metavar="FILE",
        help="from which the law is drawn (default: the published ones)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=layout.RESULTS / "story.html",
        metavar="FILE",
        help="default: results/story.html",
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(run_job, parser)
