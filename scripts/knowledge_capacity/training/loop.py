"""Training one run: the whole stream once, first token to last, or as many updates as the recipe says."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..data.stream import Stream
from ..data.windows import IGNORED
from ..files import UserError
from ..models.build import build_run_model
from ..models.decoder import Decoder
from ..models.experts import Mixture
from ..models.generators import generator_states, seed_generators
from ..specs import Run
from . import checkpoint, qat
from .adapters import AdaptedModel, AdapterStep
from .averaging import add_to_average, load_average
from .bases import base_run, make_base_stream
from .course import Course, TrainingDiverged, TrainingResult, TrainingStopped
from .native_step import NativeStep, has_native_step
from .parallel import ALONE, Team
from .step import Step, chosen_precision

__all__ = ["TrainingDiverged", "TrainingResult", "TrainingStopped", "train"]

BASE_CHECKPOINT = "base.safetensors"  # of the model below an adapter, beside the run's own
GO_ON, SAVE, STOP = 0, 1, 2  # what a process wants after a step; the most of all processes' is done


def train(
    run: Run,
    stream: Stream,
    vocabulary: int,
    save_to: Path,
    identity: str,
    save_every: float = 60.0,
    device: str = "cpu",
    report: Callable[[dict[str, float]], None] = lambda point: None,
    say: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
    team: Team = ALONE,
) -> TrainingResult:
    """Train one run, going on from the checkpoint at `save_to` where there is one of the same identity.

    vocabulary: rows of the embedding. save_every: seconds between checkpoints. report: called about
    LOG_POINTS times with a log point {step, tokens, expected_tokens, loss (nats per token), lr, seconds,
    tokens_per_second (since the last point)}, and for a mixture of experts {routing_dropped (fraction of
    choices), routing_load (of the busiest expert over the mean)}. say: told from which step training goes on,
    and what a model refuses. stop: asked after every step, or after as many as C++ makes in a quarter of a
    second; when true, a checkpoint is written and Stopped raised. team: the processes that train it together; all
    call this, and only the first one saves.

    Raises Diverged when the loss or the weights are no longer numbers, or when, after the warm-up, the mean
    loss between two points of the log is above that of two uniform guesses, 2 ln(vocabulary).
    """
    recipe = run.recipe
    if recipe.batch_size < team.size:
        raise UserError(
            f"{run.slug}: batch_size {recipe.batch_size} is less than one window for each of {team.size} "
            "processes. Use fewer processes."
        )
    if recipe.adapter and team.size > 1:
        raise UserError(f"{run.slug}: an adapter is trained by one process, not {team.size}. Use one.")
    model = build_run_model(run, vocabulary).to(device).train()
    if recipe.text_mask:
        assert isinstance(model, Decoder)
        model.first_token = stream.end_token
    precision = chosen_precision(recipe.precision, device)
    step: Step | NativeStep | AdapterStep
    adapted = AdaptedModel(model, recipe.adapter, run.seed) if recipe.adapter else None
    whole = adapted or model  # what a checkpoint holds
    if adapted:
        step = AdapterStep(adapted, recipe, precision)
    elif has_native_step(model, recipe, precision, team.size):
        step = NativeStep(model, recipe)
    else:
        step = Step(model, recipe, precision, team.size, lambda refused: say(f"{run.slug}: {refused}"))
    identity = f"{identity} {precision}"
    seed_generators(model, run.seed + team.rank)  # for models that draw while they train, as dropout does
    progress = checkpoint.load_checkpoint(save_to, identity, whole, step.optimizers, step.scaler, team.rank)
    if progress:
        say(f"{run.slug}: going on from step {progress.step}")
        progress.seen = progress.seen.to(device)
        progress.sums = step.sums.copy_(progress.sums)
    else:
        if adapted and recipe.adapter and (base := recipe.adapter.base):
            below = base_run(run, vocabulary)
            say(f"{run.slug}: first the model below its adapter, on {below.dataset.slug}")
            trained = train(
                below,
                make_base_stream(below, base, stream),
                vocabulary,
                save_to.with_name(BASE_CHECKPOINT),
                identity,
                save_every,
                device,
                report,
                say,
                stop,
            )
            model.load_state_dict(trained.model.state_dict())
            adapted.freeze()
            seed_generators(model, run.seed)
        progress = checkpoint.Progress(torch.zeros(vocabulary, dtype=torch.bool, device=device), step.sums)

    has_experts = any(isinstance(module, Mixture) for module in model.modules())
    course = Course(run, stream, vocabulary, progress, has_experts)
    windows = course.windows
    agreed = team.agreement()
    began, saved = time.monotonic() - progress.seconds, time.monotonic()

    def end() -> TrainingResult:
        """What the run leaves, as it stands."""
        done = course.trained(model, step.engine, precision)
        if adapted:
            done.trained_parameters = adapted.n_trained(done.used_tokens)
        return done

    while progress.step != recipe.steps:
        course.snapshots.take(progress.step, model)
        most = min(step.ahead, course.log_every - progress.step % course.log_every)
        most = min(most, course.snapshots.most_steps(progress.step) or most)
        batches = windows.take(min(most, recipe.steps - progress.step) if recipe.steps else most)
        inputs, targets = (part.to(device, non_blocking=True) for part in batches)
        if not len(inputs):
            break
        real = targets.flatten()
        if windows.ended:
            real = real[real != IGNORED]
        rates = [course.rate(progress.step + i) for i in range(len(inputs))]
        if isinstance(step, NativeStep):
            step(inputs, targets, rates)
        else:
            step(team.rows(inputs[0]), team.rows(targets[0]), len(real), *rates)
        progress.seen.index_fill_(0, real, True)
        course.count(len(inputs), len(real))
        progress.seconds = time.monotonic() - began

        if progress.step % course.log_every == 0:
            if course.averages():
                add_to_average(progress.average, model)
            team.mean(step.sums)
            point = course.add_point(step.sums.tolist())
            step.sums.zero_()
            if symptom := course.symptom():
                raise TrainingDiverged(run, symptom, end())
            report(point)
        wanted = STOP if stop() else SAVE if time.monotonic() - saved > save_every else GO_ON
        wanted = agreed(wanted)
        if wanted != GO_ON:
            team.mean(step.sums)
            progress.cursor = windows.cursor()
            states = team.gather(generator_states(model))
            if team.first:
                checkpoint.save_checkpoint(
                    save_to, identity, progress, whole, step.optimizers, step.scaler, states
                )
            saved = time.monotonic()
        if wanted == STOP:
            team.wait()  # none ends before the progress of all is on disk
            raise TrainingStopped(f"{run.slug}: stopped {course.where()}; progress is saved.")
    team.mean(step.sums)
    course.snapshots.take_rest(progress.step, model)
    if progress.average:
        load_average(progress.average, model)
    if recipe.qat:
        qat.apply_quantization(model, recipe.qat)
    if adapted:
        adapted.merge()
    done = end()
    if not all(bool(p.isfinite().all()) for p in model.parameters()):  # since the last point of the log
        raise TrainingDiverged(run, f"weights are NaN or infinite {course.where()}", done)
    return done
