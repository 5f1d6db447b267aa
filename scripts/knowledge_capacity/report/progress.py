"""How far a study is: what is trained and measured of what it wants, what failed, and how long it may take.

Whether a result is still up to date is for Snakemake to say: here, what is there counts.
"""

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from .. import layout
from ..data.lengths import training_words
from ..specs import AnyArchitecture, Architecture, Checkpoint, Run
from ..study.study import Study
from . import curves

JOB_BEGINS = re.compile(r"^\d\d:\d\d:\d\d \S+\.py( |$)")  # the command line, as `console.main` writes it
ERROR = re.compile(r"^\d\d:\d\d:\d\d Traceback ")
CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")
RECENT = 50  # runs that tell how fast the study gets on now
PAUSE = 120.0  # seconds without training, after which the study is taken to have been stopped meanwhile


@dataclass(frozen=True)
class TrainingProgress:
    """Training done so far: tokens, and seconds it took. ended: when it was done. share: of the whole run."""

    tokens: int
    seconds: float
    used_tokens: int = 0
    ended: datetime.datetime | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Failure:
    """A job that ended in an error, and whose output is not there."""

    job: str
    of: str
    message: str
    log: str


@dataclass(frozen=True)
class StudyState:
    """What is there of a study. trained, begun and diverged (why): by run. measured: runs with all they need."""

    trained: dict[str, TrainingProgress]
    begun: dict[str, TrainingProgress]
    diverged: dict[str, str]
    measured: frozenset[str]
    failures: list[Failure]


@dataclass(frozen=True)
class StudyProgress:
    """A state beside what is wanted. seconds_left: an estimate for training alone; None where nothing tells."""

    wanted: int
    trained: int
    measured: int
    begun: int
    seconds_left: float | None
    diverged: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.measured == self.wanted


def read_state(study: Study, results: Path) -> StudyState:
    """What is there of a study's runs in the folder of results."""
    trained, begun, diverged, measured, failures = {}, {}, {}, set[str](), []
    for slug, run in study.runs.items():
        folder = results / layout.run_folder(run)
        record = _read_record(folder / "run.json") or _read_record(folder / layout.FINISHED / "run.json")
        if record:
            ended = datetime.datetime.fromisoformat(record["trained_at"])
            trained[slug] = TrainingProgress(
                record["tokens"], record["seconds"], record["used_tokens"], ended
            )
            if "diverged" in record:
                diverged[slug] = record["diverged"]
        elif (found := curves.read_checkpoint(folder)) and found["log"]:
            share = found["tokens"] / found["log"][-1]["expected_tokens"]
            begun[slug] = TrainingProgress(found["tokens"], found["seconds"], share=min(1.0, share))
        if all((results / file).exists() for file in measured_files(study, run)):
            measured.add(slug)
    for name, files in job_outputs(study).items():
        job, _, of = name.partition("/")
        log = results / "logs" / f"{name}.log"
        missing = not all((results / file).exists() for file in files)
        if missing and (message := _find_error(log, job)):
            failures.append(Failure(job, of, message, str(log)))
    return StudyState(trained, begun, diverged, frozenset(measured), failures)


def measured_files(study: Study, run: Run) -> list[str]:
    """What is there of a run once it is measured with all that experiments ask for."""
    files = [layout.variants_file(run, method) for method in study.methods(run.slug)]
    files += [layout.extraction_file(run)] if study.extractions(run.slug) else []
    return [*files, layout.measurements_file(run)]


def job_outputs(study: Study) -> dict[str, list[str]]:
    """The outputs of jobs, by their names, which are those of their logs."""
    found: dict[str, list[str]] = {}
    for slug, seeds in study.seeds.items():
        dataset = study.datasets[slug]
        for name in (slug, f"{slug}-added"):
            found[f"people/{name}"] = [layout.people_file(dataset, seed) for seed in seeds]
        found[f"tokenizer/{slug}"] = [layout.tokenizer_file(dataset)]
        for name in (f"{slug}/seed{seed}" for seed in seeds):
            found[f"rewrites/{name}"] = [f"data/{name}/rewrites.json"]
            found[f"encode/{name}"] = [f"data/{name}/encoded/tokens.npy"]
    for cell, runs in study.cells.items():
        found[f"train/{cell}"] = [layout.record_file(run) for run in runs]
        found[f"measure/{cell}"] = [layout.measurements_file(run) for run in runs]
    for task in study.quantizations():
        files = [layout.variants_file(run, task.specs[0].method) for run in task.runs]
        found[f"quantize/{task.name}"] = files
    for asking in study.questionings():
        found[f"extract/{asking.name}"] = [layout.extraction_file(run) for run in asking.runs]
    return found


def compute_progress(runs: Mapping[str, Run], state: StudyState) -> StudyProgress:
    """A state of things beside the runs that are wanted, by slug."""
    return StudyProgress(
        wanted=len(runs),
        trained=len(state.trained),
        measured=len(state.measured),
        begun=len(state.begun),
        seconds_left=seconds_left(runs, state),
        diverged=state.diverged,
        failures=state.failures,
    )


def seconds_left(runs: Mapping[str, Run], state: StudyState) -> float | None:
    """How long training the rest may take, by the clock; None as long as nothing tells.

    A token takes what those of the same architecture took so far or, where it is the first of its kind, what
    the FLOPs of all took, 6 · parameters · tokens. Runs share the clock as they did.
    """
    done = {
        slug: work for slug, work in {**state.begun, **state.trained}.items() if work.seconds and work.tokens
    }
    left = [run for slug, run in runs.items() if slug not in state.trained]
    left = [run for run in left if not isinstance(run.architecture, Checkpoint)]  # these come trained
    if not left or not done:
        return None if left else 0.0
    spent: dict[str, list[TrainingProgress]] = {}  # by architecture
    for slug, work in done.items():
        spent.setdefault(runs[slug].architecture.slug, []).append(work)
    used = max(work.used_tokens for work in done.values())
    total = sum(work.seconds for work in done.values())
    flops = sum(
        6 * active_parameters(runs[slug].architecture, used) * work.tokens for slug, work in done.items()
    )
    seconds = 0.0
    for run in left:
        per_token = total / flops * 6 * active_parameters(run.architecture, used)
        if same := spent.get(run.architecture.slug):
            per_token = sum(work.seconds for work in same) / sum(work.tokens for work in same)
        share = state.begun[run.slug].share if run.slug in state.begun else 0.0
        seconds += (1 - share) * _tokens(run.dataset, run.recipe) * per_token
    return seconds / training_pace(state)


def active_parameters(model: AnyArchitecture, used_tokens: int) -> float:
    """About how many parameters meet each token: of a decoder, its matrices, and of its experts those that the
    token goes to. Models of other kinds are taken to be like the smallest GPT-2 of the paper.
    """
    if not isinstance(model, Architecture):
        model = Architecture(layers=1, heads=1, width=64)
    parts, width = model.parts, model.width
    attention = 2 * width**2 * (1 + model.groups / model.heads)
    inner = model.inner_width * {"gated": 3, "standard": 2, "none": 0}[parts.mlp]
    active = parts.experts.top_k if parts.experts else 1
    return model.layers * (attention + active * inner * width) + used_tokens * width


def training_pace(state: StudyState) -> float:
    """Seconds of training that the study gets done in a second, by its latest runs: several train at a time,
    and between them there is other work. Times when nothing was trained for long are left out.
    """
    spans = [
        (work.ended.timestamp() - work.seconds, work.ended.timestamp())
        for work in state.trained.values()
        if work.ended and work.seconds
    ]
    spans = sorted(sorted(spans, key=lambda span: span[1])[-RECENT:])
    if not spans:
        return float(max(1, len(state.begun)))
    passed, (_, until) = spans[0][1] - spans[0][0], spans[0]
    for began, ended in spans[1:]:
        if began - until > PAUSE:
            until = began
        passed += max(0.0, ended - until)
        until = max(until, ended)
    return sum(ended - began for began, ended in spans) / passed


_tokens = lru_cache(None)(training_words)  # about how many a run is trained on


def _read_record(path: Path) -> dict[str, Any] | None:
    """A run's record; None where there is none, or a job has just begun to replace it."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return None


def _find_error(log: Path, job: str) -> str | None:
    """What the last job of a log says for which it failed, or fails; None for others, and where there is no log."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return None
    last_job = next((i for i in reversed(range(len(lines))) if JOB_BEGINS.match(lines[i])), 0)
    if not any(ERROR.match(line) for line in lines[last_job:]):
        return None
    said = [line for line in map(partial(CLOCK.sub, ""), lines) if line.startswith(f"{job}: ")]
    return said[-1].removeprefix(f"{job}: ").partition(" Details: ")[0] if said else None
