"""Train the runs of a cell, each from its first token to its last, going on from checkpoints where there are some.

A run whose files were made from the very data, spec and code is left as it is.
"""

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from knowledge_capacity import console, devices, layout
from knowledge_capacity.cells import process_each_run
from knowledge_capacity.data import tokenizer
from knowledge_capacity.data.pieces import END_OF_TEXT
from knowledge_capacity.data.reading import read_data, read_run_tokenizer
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.files import lock_folder, write_parquet
from knowledge_capacity.kept import MadeFrom
from knowledge_capacity.models import model_card, native, store, trial
from knowledge_capacity.models.build import build_model
from knowledge_capacity.models.checkpoint import stored_bits
from knowledge_capacity.specs import Architecture, Checkpoint, Run, parse_cell
from knowledge_capacity.training import finished, parallel
from knowledge_capacity.training.adopt import (
    adopt_checkpoint,
    check_saved_model,
    refuse_known_people,
    used_tokens,
)
from knowledge_capacity.training.cell import train_cell
from knowledge_capacity.training.course import Point, TrainingDiverged, TrainingResult, TrainingStopped
from knowledge_capacity.training.loop import BASE_CHECKPOINT
from knowledge_capacity.training.parallel import Team
from knowledge_capacity.training.stack import Member, Outcome
from knowledge_capacity.training.stopping import REQUEUE, StopSignal
from torch import nn

SAY_EVERY = 10.0  # seconds between lines on the terminal
SAMPLE = 1 << 14  # texts that are looked at before training


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.processes * arguments.nodes > 1 and not parallel.is_launched():
        parallel.launch_processes(arguments.processes, arguments.nodes)
    stop = StopSignal(arguments.time_limit)
    threads = max(1, arguments.threads // arguments.processes)
    # a compiler would start as many processes as there are cores, whatever Snakemake gave to other jobs
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(threads))
    lease = devices.lease_gpu() if arguments.device != "cpu" else None
    device = devices.resolve_device(arguments.device)
    torch.set_num_threads(threads)
    with parallel.join_team(device) as processes:
        if processes.first and device == "cpu" and not native.is_available():
            log.say(f"train: without fused kernels, so several times slower: {native.unavailable_reason()}")
        try:
            train_missing(JobContext(arguments, log, device, processes, stop))
        finally:
            stop.end()
    if lease:
        lease.close()


@dataclass(frozen=True)
class JobContext:
    """What a job works with; all but the first of several processes train only, and write nothing."""

    arguments: argparse.Namespace
    log: console.Log
    device: str
    processes: Team
    stop: StopSignal

    def folder(self, run: Run) -> Path:
        return Path(self.arguments.results / layout.run_folder(run))


def train_missing(work: JobContext) -> None:
    """Train those runs of a cell that are not what they should be, and leave the others."""
    arguments, first = work.arguments, work.processes.first
    runs = parse_cell(arguments.cell)
    locks = [lock_folder(work.folder(run)) for run in runs] if first else []  # held until the job ends
    wanted = [finished.run_provenance(run, arguments.code, arguments.results) for run in runs]
    todo = [
        one for one in zip(runs, wanted, strict=True) if not finished.is_done(work.folder(one[0]), one[1])
    ]
    work.processes.wait()  # all have looked before anything changes
    if first:
        for run in runs:
            for left in work.folder(run).rglob(".*.part"):  # by a job that was killed while it wrote
                left.unlink()
    if todo:
        train_runs(todo, work)
    if first:
        for run, made_from in zip(runs, wanted, strict=True):
            finished.place_outputs(work.folder(run), made_from)
    for lock in locks:
        lock.close()


def train_runs(todo: Sequence[tuple[Run, MadeFrom]], work: JobContext) -> None:
    """Train runs of one cell; each comes with what it is made from."""
    made_from = {run.slug: one for run, one in todo}
    runs = [run for run, _ in todo]
    if isinstance(runs[0].architecture, Checkpoint) and not runs[0].recipe.adapter:
        process_each_run(runs, lambda run: adopt_run(run, made_from[run.slug], work), work.log)
        return
    outcomes: dict[str, Outcome] = {}

    def end_runs() -> Iterator[Run]:
        """The runs, each when its outcome is known."""
        for run, outcome in train_together(runs, made_from, work):
            outcomes[run.slug] = outcome
            yield run

    def keep(run: Run) -> None:
        keep_run(run, outcomes.pop(run.slug), made_from[run.slug], work)

    if work.processes.size == 1:
        process_each_run(end_runs(), keep, work.log)
        return
    for run in end_runs():  # where one process fails, the others would wait for it
        keep(run)


def train_together(
    runs: Sequence[Run], made_from: Mapping[str, MadeFrom], work: JobContext
) -> Iterator[tuple[Run, Outcome]]:
    """Train runs of one cell, as many at a time as `train_cell` finds right, and give each with what became of it."""
    arguments, log = work.arguments, work.log

    def read_stream(run: Run) -> Stream:
        stream, tokens = read_data(run, arguments.results, work.device)
        first = run is runs[0] and work.processes.first
        say = work.log.say if first else lambda line: None
        if isinstance(run.architecture, Checkpoint):
            model = adopt_checkpoint(run, tokens, lambda line: say(f"train {line}"))
            refuse_known_people(run, model, stream)
        elif not isinstance(run.architecture, Architecture):
            check_trainable(run, stream, tokenizer.embedding_rows(tokens), work.device, say)
        return stream

    members = [
        Member(
            run,
            partial(read_stream, run),
            work.folder(run) / "checkpoint.safetensors",
            json.dumps(made_from[run.slug], sort_keys=True),
        )
        for run in runs
    ]
    try:
        for member, outcome in train_cell(
            members,
            tokenizer.embedding_rows(read_run_tokenizer(runs[0], arguments.results)),
            arguments.stack or None,
            arguments.save_every,
            work.device,
            make_reporter(log) if work.processes.first else lambda run, point, at_once: None,
            lambda line: log.say(f"train {line}") if work.processes.first else None,
            work.stop.begin_run,
            work.stop,
            work.processes,
        ):
            yield member.run, outcome
    except TrainingStopped as stopped:
        if work.processes.first:
            log.say(f"train: {stopped}")
        raise SystemExit(REQUEUE) from stopped


def keep_run(run: Run, outcome: Outcome, made_from: MadeFrom, work: JobContext) -> None:
    """Write what `finished.place_outputs` puts to its place. That a run diverged is a result too."""
    if isinstance(outcome, Exception) and not isinstance(outcome, TrainingDiverged):
        raise outcome
    if not work.processes.first:
        return
    folder, log = work.folder(run), work.log
    output = folder / layout.FINISHED
    tokens = read_run_tokenizer(run, work.arguments.results)
    diverged, done = (outcome, outcome.trained) if isinstance(outcome, TrainingDiverged) else (None, outcome)
    if diverged:
        store.write_diverged(output, run, diverged.reason)
    else:
        store.write_model(output, done.model, run, tokens.get_vocab()[END_OF_TEXT])
        check_saved_run(output / "model.safetensors", run, done.model.to(work.device))
    if run.recipe.snapshots:
        store.write_snapshots(output / layout.SNAPSHOTS, done.snapshots, diverged.reason if diverged else "")
    tokenizer.write_run_tokenizer(output, tokens)
    model_card.write_card(output, run, tokens, diverged.reason if diverged else "")
    write_parquet(output / "training.parquet", pa.Table.from_pylist(done.log))
    said = training_record(done, work.device, work.processes.size, diverged)
    finished.write_record(output, {**made_from, **said})
    for left in ("checkpoint.safetensors", BASE_CHECKPOINT):
        (folder / left).unlink(missing_ok=True)
    if diverged:
        log.say(f"train: {diverged} It is recorded as diverged.")
        return
    speed = console.format_amount(done.tokens / done.seconds)
    log.say(f"train {run.slug}: done in {console.format_duration(done.seconds)} at {speed} tokens/s")


def adopt_run(run: Run, made_from: MadeFrom, work: JobContext) -> None:
    """Write what is known of a checkpoint from elsewhere, as if it had been trained here."""
    stream, tokens = read_data(run, work.arguments.results, work.device)
    adopted = adopt_checkpoint(run, tokens, lambda line: work.log.say(f"train {run.slug}: {line}"))
    if not work.processes.first:
        return
    output = work.folder(run) / layout.FINISHED
    used = used_tokens(run, stream)
    done = TrainingResult(adopted, 0, 0, 0.0, used, [], engine="none", precision="fp32", routing_dropped=None)
    store.write_model(output, adopted, run, stream.end_token)
    check_saved_model(output / "model.safetensors", run, adopted, stream)
    tokenizer.write_run_tokenizer(output, tokens)
    model_card.write_card(output, run, tokens)
    write_parquet(output / "training.parquet", pa.table({"step": pa.array([], pa.int64())}))
    assert isinstance(run.architecture, Checkpoint)
    of = {"device": "none: a checkpoint from elsewhere", "stored_bits": stored_bits(run.architecture)}
    finished.write_record(output, {**made_from, **training_record(done, work.device, 1, None), **of})
    work.log.say(f"train {run.slug}: this checkpoint is not trained, only measured")


def check_trainable(
    run: Run, stream: Stream, vocabulary: int, device: str, say: Callable[[str], None]
) -> None:
    """Raise UserError for a model of a user's that could not be trained, or not be measured afterwards.

    say: is told what its configuration does without saying so.
    """
    model = build_model(run.architecture, vocabulary, run.recipe.window, run.seed).to(device)
    texts = stream.lengths(stream.pieces(0, min(run.recipe.exposures * run.dataset.n_people, SAMPLE)))
    lengths = (int(texts.min()), int(texts.max()), run.recipe.window)
    name = run.slug
    trial.check_model(model, name, vocabulary, lengths, False, lambda line: say(f"train {line}"))
    trial.check_rebuilding(run.architecture, name, vocabulary, run.recipe.window)


def check_saved_run(file: Path, run: Run, model: nn.Module) -> None:
    """Raise UserError where a user's model has learned what its file of weights does not hold."""
    if not isinstance(run.architecture, Architecture):
        trial.check_saved_weights(file, run.architecture, model, run.recipe.window, store.read_weights(file))


def make_reporter(log: console.Log) -> Callable[[Run, Point, int], None]:
    """What is done with points of training's log: all into the log file, one now and then to the terminal."""
    last_said = time.monotonic()

    def report(run: Run, point: Point, at_once: int) -> None:
        nonlocal last_said
        left = at_once * (point["expected_tokens"] - point["tokens"]) / point["tokens_per_second"]
        shared = f" of {at_once} runs" if at_once > 1 else ""
        line = (
            f"train {run.slug}: {point['tokens'] / point['expected_tokens']:4.0%} of "
            f"{console.format_amount(point['expected_tokens'])} tokens, loss {point['loss']:.3f}, "
            f"{console.format_amount(point['tokens_per_second'])} tokens/s{shared}, "
            f"{console.format_duration(max(0, left))} left"
        )
        if time.monotonic() - last_said >= SAY_EVERY:
            last_said = time.monotonic()
            log.say(line)
        else:
            log.write(line)

    return report


def training_record(
    done: TrainingResult, device: str, n_processes: int, diverged: TrainingDiverged | None
) -> dict[str, Any]:
    """What run.json says of how a run was trained, and what it cost."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    return {
        **({"diverged": diverged.reason} if diverged else {}),
        "steps": done.steps,
        "tokens": done.tokens,
        "seconds": round(done.seconds, 3),
        "used_tokens": done.used_tokens,
        **({} if done.routing_dropped is None else {"routing_dropped": done.routing_dropped}),
        **({} if done.trained_parameters is None else {"trained_parameters": done.trained_parameters}),
        "device": name if n_processes == 1 else f"{n_processes} × {name}",
        "precision": done.precision,
        "engine": done.engine,
        "at_once": done.at_once,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "trained_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    layout.add_arguments(parser)
    parser.add_argument(
        "--code", default="", help="fingerprint of the training code; runs of another one are trained again"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument(
        "--processes", type=int, default=1, help="that train together on a machine (default: 1)"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines of a Slurm job (default: 1)")
    parser.add_argument(
        "--stack",
        type=int,
        default=0,
        metavar="N",
        help="runs to train in one step, at most (default: 0, as many as pay)",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    parser.add_argument(
        "--save-every", type=float, default=60.0, metavar="SECONDS", help="between checkpoints (default: 60)"
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help=f"save and end with status {REQUEUE} shortly before so much time has passed (default: 0, none)",
    )
    console.main(run_job, parser)
