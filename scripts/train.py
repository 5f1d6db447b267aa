"""Train one run from its first token to its last, going on from a checkpoint where there is one."""

import argparse
import datetime
import json
import os
import platform
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from knowledge_capacity import console, devices
from knowledge_capacity.data import people, tokenizer
from knowledge_capacity.data.stream import Stream, source_of
from knowledge_capacity.files import exclusive, sealed, write_json, write_parquet
from knowledge_capacity.models import native, store, trial
from knowledge_capacity.models.build import build
from knowledge_capacity.specs import STORED, Architecture, Checkpoint, Run, run_from
from knowledge_capacity.training import parallel
from knowledge_capacity.training.adopt import adopt, used_tokens
from knowledge_capacity.training.loop import Diverged, Stopped, Trained, train
from knowledge_capacity.training.parallel import Team

SAY_EVERY = 10.0  # seconds between lines on the terminal
SAMPLE = 1 << 14  # texts that are looked at before training
# the exit status of a job that was told to stop and can go on later: run again, as Snakemake's --retries and
# Slurm's requeueing do, it goes on from its checkpoint
REQUEUE = 143


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.processes * arguments.nodes > 1 and not parallel.launched():
        parallel.launch(arguments.processes, arguments.nodes)
    stop = interruptible(arguments.time_limit)
    threads = max(1, arguments.threads // arguments.processes)
    # a compiler would start as many processes as there are cores, whatever Snakemake gave to other jobs
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(threads))
    lease = devices.lease() if arguments.device != "cpu" else None
    device = devices.chosen(arguments.device)
    torch.set_num_threads(threads)
    with parallel.team(device) as processes:
        if processes.first and device == "cpu" and not native.available():
            log.say(f"train: without fused kernels, so at about half the speed: {native.reason()}")
        if processes.first:
            alone = exclusive(arguments.output)  # held until the job ends
            for left in arguments.output.glob(".*.part"):  # by a job that was killed while it wrote
                left.unlink()
        try:
            one_run(arguments, log, device, processes, stop)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)  # Python, when it ends, would let the alarm kill it
        if processes.first:
            alone.close()
    if lease:
        lease.close()


def interruptible(time_limit: float) -> Callable[[], bool]:
    """Heed SIGTERM, SIGINT and, unless 0, a time limit in seconds; tells training whether to stop.

    Until training first asks, after its first step, there is nothing to save: the job ends at once.
    """
    told: list[int] = []
    underway = False

    def heed(number: int, frame: object) -> None:
        told.append(number)
        if not underway:
            raise SystemExit(REQUEUE)

    def stop() -> bool:
        nonlocal underway
        underway = True
        return bool(told)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, heed)
    if time_limit:  # what is left of it is for the checkpoint
        signal.setitimer(signal.ITIMER_REAL, time_limit - min(120.0, 0.2 * time_limit))
    return stop


def one_run(
    arguments: argparse.Namespace, log: console.Log, device: str, processes: Team, stop: Callable[[], bool]
) -> None:
    """Read the data, train, and write the outputs; all but the first of several processes train only."""
    run, folder = run_from(arguments.run), arguments.output
    tokens = tokenizer.read(arguments.tokenizer, domain=run.recipe.has_domain_token)
    adopted = adopt(run, tokens) if isinstance(run.architecture, Checkpoint) else None
    codes = people.read(arguments.people, run.dataset, run.seed)
    if run.dataset.kind not in STORED:  # the stream is made where the model is trained
        codes = codes.to(device)
    stream = Stream(source_of(run.dataset, run.seed, codes, arguments.texts), tokens, run.recipe.junk)
    if adopted and not processes.first:
        return
    if adopted:
        used = used_tokens(run, stream)
        done = Trained(adopted, 0, 0, 0.0, used, [], engine="none", precision="fp32", routing_dropped=None)
        store.write(folder, adopted, run, stream.end_token)
        tokenizer.write(folder, tokens)
        write_parquet(folder / "training.parquet", pa.table({"step": pa.array([], pa.int64())}))
        of = {"device": "none: a checkpoint from elsewhere"}
        write_json(folder / "run.json", sealed({**record(arguments, done, device, 1, None), **of}))
        log.say(f"train {run.slug}: this checkpoint is not trained, only measured")
        return
    if not isinstance(run.architecture, Architecture):
        try_out(run, stream, tokens.get_vocab_size(), device)
    checkpoint, diverged = folder / "checkpoint.safetensors", None
    try:
        done = train(
            run,
            stream,
            vocabulary=tokens.get_vocab_size(),
            save_to=checkpoint,
            identity=f"{arguments.run} {arguments.code}",
            save_every=arguments.save_every,
            device=device,
            report=reporter(run, log) if processes.first else lambda point: None,
            say=lambda line: log.say(f"train {line}") if processes.first else None,
            stop=stop,
            team=processes,
        )
    except Stopped as stopped:
        if processes.first:
            log.say(f"train: {stopped}")
        raise SystemExit(REQUEUE) from stopped
    except Diverged as error:  # a result too: the other runs and the figures go on without this one's weights
        done, diverged = error.trained, error
    if not processes.first:
        return
    if diverged:
        store.write_diverged(folder, run, diverged.reason)
    else:
        store.write(folder, done.model, run, stream.end_token)
    tokenizer.write(folder, tokens)
    write_parquet(folder / "training.parquet", pa.Table.from_pylist(done.log))
    write_json(folder / "run.json", sealed(record(arguments, done, device, processes.size, diverged)))
    checkpoint.unlink(missing_ok=True)
    if diverged:
        log.say(f"train: {diverged} It is recorded as diverged.")
        return
    speed = console.amount(done.tokens / done.seconds)
    log.say(f"train {run.slug}: done in {console.duration(done.seconds)} at {speed} tokens/s")


def try_out(run: Run, stream: Stream, vocabulary: int, device: str) -> None:
    """Raise UserError for a model of a user's that could not be trained, or not be measured afterwards."""
    model = build(run.architecture, vocabulary, run.recipe.window, run.seed).to(device)
    texts = stream.lengths(stream.pieces(0, min(run.recipe.exposures * run.dataset.n_people, SAMPLE)))
    lengths = (int(texts.min()), int(texts.max()), run.recipe.window)
    trial.check(model, run.slug, vocabulary, lengths, trained=False)


def reporter(run: Run, log: console.Log) -> Callable[[dict[str, float]], None]:
    """What is done with points of training's log: all into the log file, one now and then to the terminal."""
    last_said = time.monotonic()

    def report(point: dict[str, float]) -> None:
        nonlocal last_said
        left = (point["expected_tokens"] - point["tokens"]) / point["tokens_per_second"]
        line = (
            f"train {run.slug}: {point['tokens'] / point['expected_tokens']:4.0%} of "
            f"{console.amount(point['expected_tokens'])} tokens, loss {point['loss']:.3f}, "
            f"{console.amount(point['tokens_per_second'])} tokens/s, "
            f"{console.duration(max(0, left))} left"
        )
        if time.monotonic() - last_said >= SAY_EVERY:
            last_said = time.monotonic()
            log.say(line)
        else:
            log.write(line)

    return report


def record(
    arguments: argparse.Namespace, done: Trained, device: str, n_processes: int, diverged: Diverged | None
) -> dict[str, Any]:
    """run.json: what was trained, how, and what it cost."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    return {
        "run": json.loads(arguments.run),
        **({"diverged": diverged.reason} if diverged else {}),
        "steps": done.steps,
        "tokens": done.tokens,
        "seconds": round(done.seconds, 3),
        "used_tokens": done.used_tokens,
        **({} if done.routing_dropped is None else {"routing_dropped": done.routing_dropped}),
        "device": name if n_processes == 1 else f"{n_processes} × {name}",
        "precision": done.precision,
        "engine": done.engine,
        "code": arguments.code,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "trained_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--run", required=True, metavar="JSON", help="the run's spec")
    parser.add_argument("--people", required=True, type=Path, metavar="FILE", help="people.parquet")
    parser.add_argument("--tokenizer", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help="encoded texts of bioR and bioG")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="the run's folder")
    parser.add_argument(
        "--code", default="", help="fingerprint of the training code; part of a checkpoint's identity"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument(
        "--processes", type=int, default=1, help="that train together on a machine (default: 1)"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines of a Slurm job (default: 1)")
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
    console.main(job, parser)
