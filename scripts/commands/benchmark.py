"""Measure speed and memory beside what one would otherwise use, and write them as JSON and as a table.

stream: the data stream beside the obvious loop. training: training steps beside the Trainer of transformers.
concurrent: several runs at once on this machine, its cores or its GPU (with CUDA MPS, where it is running).
stacks: several runs in one step, beside one of them.
measuring: scoring a trained model, beside training it. planning: a dry run of studies from small to the paper's.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.console import format_amount
from knowledge_capacity.files import atomic_write, write_json

STREAM = {
    "n_people": ("people", "{:,}"),
    "tokens_per_biography": ("tokens per biography", "{:.1f}"),
    "biographies_per_second": ("biographies/s", "{:,.0f}"),
    "packed_biographies_per_second": ("biographies/s, packed into windows", "{:,.0f}"),
    "packed_tokens_per_second": ("tokens/s, packed into windows", "{:,.0f}"),
    "loop_biographies_per_second": ("the obvious loop: biographies/s", "{:,.0f}"),
    "ratio_word": ("times the loop, one token a word", "{:.1f}"),
    "ratio_word_packed": ("times the loop, packed", "{:.1f}"),
    "ratio_byte_pair": ("times the loop, byte pairs", "{:.1f}"),
    "bytes_per_person": ("bytes per person in memory", "{}"),
    "file_bytes_per_person": ("bytes per person on disk", "{:.1f}"),
    "draw_and_write_seconds": ("seconds to draw and write all people", "{:.1f}"),
    "read_seconds": ("seconds to read them", "{:.1f}"),
    "peak_bytes_stream": ("most memory, bytes", "{:,}"),
}
TRAINING = ["model", "parameters", "batch", "threads", "Trainer, tokens/s", "here, tokens/s", "ratio"]
TRAINING += ["matrix products alone, tokens/s", "memory over Trainer's", "losses apart"]
BEFORE = ["the build before, tokens/s", "times it"]  # with --against
MEASURING = ["model", "parameters", "people", "training, tokens/s", "scoring, tokens/s", "texts a person"]
MEASURING += ["share of 1000 exposures", "of 100"]
STACKS = ["model", "parameters", "batch", "runs at once", "one run, tokens/s", "all, tokens/s", "ratio"]
OVERLAP = 20  # times the steps of one run alone, for runs at once, so that all of them run most of the time
STUDIES = ["smoke", "small", "gpu", "paper"]
ROUNDS = 3  # of each, in turn, so that whatever else the machine does falls on both


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.one:  # in a process of its own, so that its memory is its own
        print(json.dumps(_measure_one(arguments.what, *json.loads(arguments.one))))
    elif arguments.what == "stream":
        found = [_measure_in_subprocess("stream", n) for n in arguments.people]
        table = "| | " + " | ".join("" for _ in found) + " |\n|---" + "|---:" * len(found) + "|\n"
        for key, (label, form) in STREAM.items():
            cells = [form.format(one[key]) if key in one else "" for one in found]
            table += f"| {label} | {' | '.join(cells)} |\n"
        _write_results(arguments, log, found, f"bioS at full pools, on one core.\n\n{table}")
    elif arguments.what == "training":
        _benchmark_training(arguments, log)
    elif arguments.what == "measuring":
        _benchmark_measuring(arguments, log)
    elif arguments.what == "stacks":
        _benchmark_stacks(arguments, log)
    elif arguments.what == "planning":
        _benchmark_planning(arguments, log)
    else:
        _benchmark_concurrent(arguments, log)


def _benchmark_training(arguments: argparse.Namespace, log: console.Log) -> None:
    from knowledge_capacity.benchmarks.training import GPU, SHAPES

    threads = [n for n in (1, 2) if n <= (os.cpu_count() or 1)][: 1 if GPU else None]
    found = []
    columns = TRAINING + (BEFORE if arguments.against else [])
    table = "| " + " | ".join(columns) + " |\n|---" + "|---:" * (len(columns) - 1) + "|\n"
    for i in range(len(SHAPES)):
        shape = {
            **_measure_in_subprocess("training", "facts", i, 1),
            **_measure_in_subprocess("training", "both", i, 1),
            "timed": [],
        }
        tokens = shape["batch_size"] * shape["window"]
        floor = shape["matmul_flops_per_second"] / shape["flops_per_step"] * tokens
        for n in threads:
            runs: dict[str, list[dict[str, Any]]] = {"trainer": [], "ours": []}
            runs |= {"before": []} if arguments.against else {}
            for _ in range(ROUNDS):
                for which, each in runs.items():
                    if which == "before":
                        each.append(_time_build(arguments.against, SHAPES[i], n))
                    else:
                        each.append(_measure_in_subprocess("training", which, i, n))
            speed = {which: tokens / median(one["seconds"] for one in each) for which, each in runs.items()}
            used = {which: median(one["bytes"] for one in each) for which, each in runs.items()}
            timed = {"threads": n, "tokens_per_second": speed, "bytes": used}
            timed["ratio"] = speed["ours"] / speed["trainer"]
            shape["timed"].append(timed)
            cells = [shape["architecture"], f"{shape['n_parameters']:,}"]
            cells += [f"{shape['batch_size']} x {shape['window']}", str(n)]
            cells += [format_amount(speed["trainer"]), format_amount(speed["ours"]), f"{timed['ratio']:.2f}"]
            cells += [
                format_amount(floor * n),
                f"{used['ours'] / used['trainer']:.2f}",
                f"{shape['losses_apart']:.0e}",
            ]
            if arguments.against:
                cells += [format_amount(speed["before"]), f"{speed['ours'] / speed['before']:.2f}"]
            table += f"| {' | '.join(cells)} |\n"
            log.say(" | ".join(cells))
        found.append(shape)
    precision = "bf16" if GPU else "float32"
    _write_results(
        arguments, log, found, f"Training in {precision}, medians of {ROUNDS} runs each in turn.\n\n{table}"
    )


def _benchmark_measuring(arguments: argparse.Namespace, log: console.Log) -> None:
    from knowledge_capacity.benchmarks.training import SHAPES

    found = []
    table = "| " + " | ".join(MEASURING) + " |\n|---" + "|---:" * (len(MEASURING) - 1) + "|\n"
    for i in (0, len(SHAPES) - 1):
        trained = [_measure_in_subprocess("training", "ours", i, 1)["seconds"] for _ in range(ROUNDS)]
        training = SHAPES[i].batch_size * SHAPES[i].window / median(trained)
        one = _measure_in_subprocess("measuring", i, 1)
        time = one["draws"] * training / one["tokens_per_second"]  # in exposures
        found.append({**one, "training_tokens_per_second": training, "exposures": time})
        cells = [
            one["architecture"],
            f"{one['n_parameters']:,}",
            f"{one['n_people']:,}",
            format_amount(training),
        ]
        cells += [format_amount(one["tokens_per_second"]), str(one["draws"])]
        cells += [f"{100 * time / exposures:.2f} %" for exposures in (1000, 100)]
        table += f"| {' | '.join(cells)} |\n"
    _write_results(arguments, log, found, f"Scoring everyone in bioS after training, on one core.\n\n{table}")


def _benchmark_stacks(arguments: argparse.Namespace, log: console.Log) -> None:
    from knowledge_capacity.benchmarks.stacks import PLANS

    found = []
    table = "| " + " | ".join(STACKS) + " |\n|---" + "|---:" * (len(STACKS) - 1) + "|\n"
    for i in range(1 if arguments.quick else len(PLANS)):
        both: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        for _ in range(1 if arguments.quick else ROUNDS):
            # quickly: both at once, since they are compiled for nearly all of their time
            with ThreadPoolExecutor(2 if arguments.quick else 1) as pool:
                each = pool.map(
                    partial(_measure_in_subprocess, "stacks"), ("measure_alone", "measure_together"), (i, i)
                )
                for rounds, one in zip(both, each, strict=True):
                    rounds.append(one)
        facts = both[0][0]
        alone, together = (median(one["tokens_per_second"] for one in rounds) for rounds in both)
        found.append({**facts, "tokens_per_second": alone, "tokens_per_second_of_all": together})
        cells = [facts["architecture"], f"{facts['n_parameters']:,}"]
        cells += [f"{facts['batch_size']} x {facts['window']}", str(facts["size"])]
        cells += [format_amount(alone), format_amount(together), f"{together / alone:.1f}"]
        table += f"| {' | '.join(cells)} |\n"
        log.say(" | ".join(cells))
    how = "once, side by side" if arguments.quick else f"medians of {ROUNDS} runs each in turn"
    _write_results(arguments, log, found, f"On {found[0]['device']}, {how}.\n\n{table}")


def _benchmark_planning(arguments: argparse.Namespace, log: console.Log) -> None:
    found = []
    table = "| study | jobs | seconds | most memory |\n|---|---:|---:|---:|\n"
    for study in STUDIES:
        each = [_measure_in_subprocess("planning", study) for _ in range(ROUNDS)]
        one = {**each[0], "seconds": median(one["seconds"] for one in each)}
        found.append(one)
        cells = [study, f"{one['jobs']:,}", f"{one['seconds']:.1f}", f"{one['bytes'] / 2**20:,.0f} MiB"]
        table += f"| {' | '.join(cells)} |\n"
        log.say(" | ".join(cells))
    _write_results(
        arguments, log, found, f"Dry runs where nothing is there yet, medians of {ROUNDS}.\n\n{table}"
    )


def _time_dry_run(study: str) -> dict[str, Any]:
    """A study's dry run in a folder without results: its jobs, seconds and memory."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("Snakefile", "config.yaml", "rules", "scripts", "envs", "studies"):
            (Path(folder) / name).symlink_to(root / name)
        options = "--workflow-profile envs/local --cores 1 --dry-run --configfile".split()
        command = [sys.executable, "-m", "snakemake", *options, f"studies/{study}.yaml"]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603 (our own)
        seconds = time.perf_counter() - began
    jobs = re.findall(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    memory = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"study": study, "jobs": int(jobs[-1]), "seconds": seconds, "bytes": memory}


def _benchmark_concurrent(arguments: argparse.Namespace, log: console.Log) -> None:
    from knowledge_capacity.benchmarks.training import SHAPES

    shape = SHAPES[0]
    found = []
    table = "| runs at once | tokens/s of all | times one run |\n|---:|---:|---:|\n"
    for n in arguments.runs:
        commands = [_build_command("training", "ours", 0, 1, OVERLAP)] * n
        jobs = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for c in commands]  # noqa: S603 (our own)
        seconds = [json.loads(job.communicate()[0].splitlines()[-1])["seconds"] for job in jobs]
        speed = sum(shape.batch_size * shape.window / one for one in seconds)
        found.append({"runs": n, "tokens_per_second": speed})
        table += f"| {n} | {format_amount(speed)} | {speed / found[0]['tokens_per_second']:.2f} |\n"
    _write_results(arguments, log, found, f"{shape.architecture.slug}, one thread a run.\n\n{table}")


def _measure_one(what: str, *options: Any) -> dict[str, Any]:
    """A single measurement."""
    if what == "planning":
        return _time_dry_run(options[0])
    if what == "stream":
        from knowledge_capacity.benchmarks.stream import measure_stream

        with tempfile.TemporaryDirectory() as folder:
            return measure_stream(options[0], Path(folder) / "people.parquet")
    from knowledge_capacity.benchmarks import stacks, training

    if what == "stacks":
        which, plan = options
        return getattr(stacks, which)(plan)
    if what == "measuring":
        from knowledge_capacity.benchmarks.scoring import measure_scoring_speed as measure_scoring

        return measure_scoring(training.SHAPES[options[0]], options[1])
    which, shape, *others = options
    return getattr(training, which)(training.SHAPES[shape], *others)


def _build_command(what: str, *options: Any) -> list[str]:
    return [sys.executable, __file__, what, "--one", json.dumps(options)]


BUILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from knowledge_capacity.specs import Architecture
try:
    from knowledge_capacity.benchmarks import training as benchmark
except ImportError:  # a build of before
    from knowledge_capacity.training import benchmark
size, dataset, batch_size, window, steps, threads = json.loads(sys.argv[2])
shape = benchmark.Shape(Architecture(*size), getattr(benchmark, dataset), batch_size, window, steps)
print(json.dumps(benchmark.ours(shape, threads)))
"""


def _time_build(folder: Path, shape: Any, threads: int) -> dict[str, Any]:
    """`ours` of another build of this project, a checkout in `folder`."""
    from knowledge_capacity.benchmarks.training import TINY

    size = shape.architecture.layers, shape.architecture.heads, shape.architecture.width
    dataset = "TINY" if shape.dataset == TINY else "FULL"
    values = [size, dataset, shape.batch_size, shape.window, shape.steps, threads]
    command = [sys.executable, "-c", BUILD, str(folder.absolute() / "scripts"), json.dumps(values)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603 (our own)
    return json.loads(done.stdout.splitlines()[-1])


def _measure_in_subprocess(what: str, *options: Any) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 (our own)
        _build_command(what, *options),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _write_results(arguments: argparse.Namespace, log: console.Log, found: Any, text: str) -> None:
    output = arguments.output or Path("results/benchmarks") / arguments.what
    write_json(output.with_suffix(".json"), found)
    with atomic_write(output.with_suffix(".md")) as aside:
        aside.write_text(text, encoding="utf-8")
    log.say(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument(
        "what",
        choices=["stream", "training", "concurrent", "stacks", "measuring", "planning"],
        help="what to measure",
    )
    parser.add_argument(
        "--people",
        nargs="+",
        type=int,
        default=[10_000, 100_000, 10_000_000],
        metavar="N",
        help="sizes of the stream (default: 10 thousand, 100 thousand and 10 million)",
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        type=int,
        default=[1, 2, 4],
        metavar="N",
        help="how many runs at once (default: 1, 2 and 4)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="another build of this project, a checkout, whose training is timed in turns with this one's",
    )
    parser.add_argument(
        "--quick", action="store_true", help="of stacks: the first shape alone, once, in a minute or less"
    )
    parser.add_argument("--one", metavar="JSON", help="one measurement alone, printed as JSON")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="without an ending (default: results/benchmarks/WHAT)"
    )
    console.main(run_job, parser)
