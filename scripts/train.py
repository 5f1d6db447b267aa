"""Train one run from its first token to its last, going on from a checkpoint where there is one."""

import argparse
import datetime
import json
import platform
import signal
import time
from pathlib import Path

import pyarrow as pa
import torch
from knowledge_capacity import console
from knowledge_capacity.data import people, tokenizer
from knowledge_capacity.data.stream import Stream, source_of
from knowledge_capacity.files import exclusive, write_json, write_parquet
from knowledge_capacity.models import store
from knowledge_capacity.models.build import chosen_device
from knowledge_capacity.specs import STORED, run_from
from knowledge_capacity.training.loop import Stopped, train

SAY_EVERY = 10.0  # seconds between lines on the terminal
REQUEUE = 143  # the exit status of a job that was told to stop and can go on later


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    run = run_from(arguments.run)
    device = chosen_device(arguments.device)
    torch.set_num_threads(arguments.threads)
    alone = exclusive(arguments.output)  # held until the job ends
    folder = arguments.output

    tokens = tokenizer.read(arguments.tokenizer, domain=run.recipe.has_domain_token)
    codes = people.read(arguments.people, run.dataset, run.seed)
    if run.dataset.kind not in STORED:  # the stream is made where the model is trained
        codes = codes.to(device)
    stream = Stream(source_of(run.dataset, run.seed, codes, arguments.texts), tokens, run.recipe.junk)

    stopping: list[int] = []
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda number, frame: stopping.append(number))
    last_said = time.monotonic()

    def report(point: dict[str, float]) -> None:
        nonlocal last_said
        left = point["seconds"] * (point["expected_tokens"] / point["tokens"] - 1)
        line = (
            f"train {run.slug}: {point['tokens'] / point['expected_tokens']:4.0%} of "
            f"{console.amount(point['expected_tokens'])} tokens, loss {point['loss']:.3f}, "
            f"{console.amount(point['tokens'] / point['seconds'])} tokens/s, "
            f"{console.duration(max(0, left))} left"
        )
        if time.monotonic() - last_said >= SAY_EVERY:
            last_said = time.monotonic()
            log.say(line)
        else:
            log.write(line)

    checkpoint = folder / "checkpoint.safetensors"
    try:
        done = train(
            run,
            stream,
            vocabulary=tokens.get_vocab_size(),
            save_to=checkpoint,
            identity=f"{arguments.run} {arguments.code}",
            save_every=arguments.save_every,
            device=device,
            report=report,
            resumed=lambda step: log.say(f"train {run.slug}: going on from step {step}"),
            stop=lambda: bool(stopping),
        )
    except Stopped as stopped:
        log.say(f"train: {stopped}")
        raise SystemExit(REQUEUE) from stopped
    store.write(folder, done.model, run, stream.end_token)
    tokenizer.write(folder, tokens)
    write_parquet(folder / "training.parquet", pa.Table.from_pylist(done.log))
    write_json(
        folder / "run.json",
        {
            "run": json.loads(arguments.run),
            "steps": done.steps,
            "tokens": done.tokens,
            "seconds": round(done.seconds, 3),
            "used_tokens": done.used_tokens,
            "device": torch.cuda.get_device_name()
            if device == "cuda"
            else f"cpu, {arguments.threads} threads",
            "precision": "fp32" if device == "cpu" else "bf16",
            "engine": "eager",
            "code": arguments.code,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "trained_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    )
    checkpoint.unlink(missing_ok=True)
    alone.close()
    speed = console.amount(done.tokens / done.seconds)
    log.say(f"train {run.slug}: done in {console.duration(done.seconds)} at {speed} tokens/s")


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
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    parser.add_argument(
        "--save-every", type=float, default=60.0, metavar="SECONDS", help="between checkpoints (default: 60)"
    )
    console.main(job, parser)
