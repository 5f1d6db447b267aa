"""Hold the measuring instrument against models that know a known amount; status 1 where it reads another.

First against tables of probabilities, for every kind of dataset, then against two small runs of
studies/calibration.yaml, which go through the whole workflow. docs/measuring.md tells more. (The calibration
data of GPTQ are another matter: the experiment `instrument_checks` of studies/quantizers.yaml is about these.)
"""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console, layout
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring import instrument_checks
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.running import refuse_unfinished, run_snakemake

OVERLAY = Path("studies/calibration.yaml")


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    rows = [
        (f"{one.dataset}: {one.model}", f"{one.expected:z.3f}", f"{one.read:z.3f}", one.ok)
        for one in instrument_checks.run_checks()
    ]
    for run, path in measure_missing_runs(arguments.profile, arguments.cores).items():
        found = measurement_table.read_measurements(path).to_pylist()[0]
        low, high = instrument_checks.prediction_interval(found["architecture"])
        share = found["bits_learned"] / found["bits_max"] if not found["diverged"] else float("nan")
        expected = f"{low:z.3f} to {high:z.3f}"
        rows.append((f"{run.split('/')[1]}, trained", expected, f"{share:z.3f}", low <= share <= high))
    print(f"{'what':44}{'expected':>18}{'read':>12}")
    for what, expected, read, ok in rows:
        print(f"{what:44}{expected:>18}{read:>12}  {'ok' if ok else 'NOT'}")
    print("bits of the dataset; of models that were trained, the share of its bits that they know")
    if wrong := sum(not ok for *_, ok in rows):
        raise UserError(
            f"{wrong} of {len(rows)} readings are not what they should be. See docs/measuring.md."
        )


def measure_missing_runs(profile: str, cores: str) -> dict[str, Path]:
    """The measurements of the runs of the study, made where they are missing."""
    runs = overlay_files.make_study(*overlay_files.read_configuration([OVERLAY])).runs
    files = {slug: layout.measurements_path(slug) for slug in runs}
    refuse_unfinished(run_snakemake([OVERLAY], profile, cores, [str(path) for path in files.values()]))
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="calibrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(run_job, parser)
