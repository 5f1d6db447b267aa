"""Teaching a trained model to answer questions by low-rank updates (LoRA, Hu et al. 2021)."""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from ..console import format_duration
from ..files import UserError
from ..models.loss import loss
from ..models.token_tables import token_tables
from ..models.updated_layers import SCALE, layers_to_update
from ..quiet import suppress_warnings
from ..specs import Extraction as Spec
from ..training.schedule import learning_rate
from .answers import ask_questions
from .questions import Questions, TokenRole

WARM_UP = 0.05  # of all steps
KEPT_BACK = 0.1  # of those who are taught, to choose the epoch
BETAS, EPS, CLIP = (0.9, 0.98), 1e-6, 1.0
IGNORED = -100
SAY_EVERY = 10.0  # seconds
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def prepare_model(
    model: nn.Module, rank: int, new_words: int, seed: int
) -> tuple[list[nn.Parameter], list[str]]:
    """Freeze a model, and give it what is taught: low-rank updates, and rows for tokens of new words.

    Every linear layer is updated but heads, routed experts and their routers. Rows of new tokens are drawn as the
    others are spread. Returns the parameters to be trained, and the names of the layers that are updated. Raises
    UserError for a model without linear layers.
    """
    targets = layers_to_update(model)
    if not targets:
        raise UserError(
            f"extraction: {type(model).__name__} has no linear layers (torch.nn.Linear) for low-rank "
            "updates. Leave extractions out of its experiment's variants."
        )
    with suppress_warnings():
        import peft  # only here: it takes seconds
        from peft.tuners.lora import Linear

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with torch.random.fork_rng(devices=[]), suppress_warnings():
        torch.manual_seed(seed)
        # one by one: given a list of names, peft takes others that end alike, and experts in place of dense layers
        config = peft.LoraConfig(r=rank, lora_alpha=round(SCALE * rank))
        for name in targets:
            parent, _, last = name.rpartition(".")
            layer: Any = model.get_submodule(name)
            turned = not isinstance(layer, nn.Linear)
            config.fan_in_fan_out = turned
            update = Linear(
                layer,
                "default",
                config=config,
                r=rank,
                lora_alpha=config.lora_alpha,
                is_target_conv_1d_layer=turned,
            )
            setattr(model.get_submodule(parent), last, update)
        grown = extend_vocabulary(model, new_words) if new_words else []
    trained = [*_lora_parameters(model), *grown]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained, targets


def extend_vocabulary(model: nn.Module, more: int) -> list[nn.Parameter]:
    """Give embeddings and heads, tied or not, `more` rows; only these get gradients. Returns the parameters.

    A table that has more rows than the first embedding has them for new tokens already, and keeps them as they are.
    """
    tables = token_tables(model)
    grown: dict[int, nn.Parameter] = {}
    for weight, axis in (table for table in tables if table.rows == tables[0].rows):
        old = weight.detach().movedim(axis, 0)
        spread = old.std(dim=0, keepdim=True) if old.dim() > 1 else old.std()
        new = old.mean(dim=0, keepdim=True) + spread * torch.randn(more, *old.shape[1:], device=old.device)
        grown[id(weight)] = nn.Parameter(torch.cat([old, new]).movedim(0, axis).contiguous())
        keep_old = partial(_keep_last_rows, rows=more, axis=axis)
        grown[id(weight)].register_hook(keep_old)
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if id(weight) in grown:
                setattr(module, name, grown[id(weight)])
                for size in (
                    "num_embeddings",
                    "out_features",
                    "nf",
                ):  # of an embedding, a linear layer, a Conv1D
                    if getattr(module, size, None) == tables[0].rows:
                        setattr(module, size, tables[0].rows + more)
    return list(grown.values())


def finetune_model(
    model: nn.Module,
    trained: list[nn.Parameter],
    questions: Questions,
    spec: Spec,
    seed: int,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Train parameters of a model on questions, by the loss of answers alone.

    A tenth of the people is kept back. The parameters become those of the epoch after which the values of
    these people cost the fewest nats, so that a model that can but learn answers by heart stops early.
    Deterministic on a CPU, given the seed. Raises UserError where the model never uses what is to be trained,
    and where the loss is no number.
    """
    device = trained[0].device
    kept_back = max(1, round(KEPT_BACK * len(questions.tokens)))
    trial, lessons = questions.of(slice(kept_back)), questions.of(slice(kept_back, None))
    tokens, parts = lessons.tokens.flatten(0, 1), lessons.parts.flatten(0, 1)
    order = np.random.default_rng([seed, 1])
    steps, step = spec.epochs * -(-len(tokens) // spec.batch_size), 0
    least, best = float("inf"), [parameter.detach().clone() for parameter in trained]
    optimizer = torch.optim.AdamW(trained, spec.lr, betas=BETAS, eps=EPS, weight_decay=0.0)
    began = said = time.monotonic()
    for epoch in range(1, spec.epochs + 1):
        model.train()
        nats = 0.0
        for rows in torch.from_numpy(order.permutation(len(tokens))).split(spec.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, spec.lr, round(WARM_UP * steps))
            inputs, targets = _make_batch(tokens[rows], parts[rows])
            result = loss(model, inputs.to(device), targets.to(device))
            optimizer.zero_grad()
            (result.nats / len(rows)).backward()
            if step == 0:
                _tell_unused_updates(model, say)
            clip_grad_norm_(trained, CLIP)
            optimizer.step()
            nats, step = nats + float(result.nats.detach()), step + 1
        model.eval()
        others = float(ask_questions(model, trial, str(device), generate=False).losses.sum(axis=1).mean())
        if not np.isfinite(nats + others):
            raise UserError(f"extraction: the loss of answers is {nats + others}. Lower the extraction's lr.")
        if others < least:
            least, best = others, [parameter.detach().clone() for parameter in trained]
        if time.monotonic() - said > SAY_EVERY or epoch == spec.epochs:
            said = time.monotonic()
            left = format_duration((said - began) * (steps - step) / step)
            each = nats / len(lessons.tokens)
            now = f"{each:.2f} nats a person taught, {others:.2f} a person kept back"
            say(f"epoch {epoch} of {spec.epochs}, {now}, {left} left")
    with torch.no_grad():
        for parameter, value in zip(trained, best, strict=True):
            parameter.copy_(value)


def _tell_unused_updates(model: nn.Module, say: Callable[[str], None]) -> None:
    """Say which updates got no gradient. Raises UserError where none got any."""
    updates = {name: p for name, p in model.named_parameters() if ".lora_B." in name}
    unused = [name.partition(".lora_B.")[0] for name, p in updates.items() if p.grad is None]
    if len(unused) == len(updates):
        raise UserError(
            f"extraction: {type(model).__name__} reads its matrices past the forward of its linear layers, "
            "so that low-rank updates have no effect. Call the layers, or leave extractions out."
        )
    if unused:
        say(f"no update of these has an effect, since the model does not call them: {shorten_names(unused)}")


def shorten_names(names: Sequence[str]) -> str:
    """Names of layers, with * in place of numbers, and how often each of them stands there."""
    counts = Counter(NUMBER.sub("*", name) for name in names)
    return ", ".join(f"{name} ({n})" if n > 1 else name for name, n in counts.items())


def _make_batch(tokens: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and targets of some questions, cut to the longest; only tokens of answers are targets."""
    width = int((parts >= TokenRole.SIGN).any(dim=0).nonzero().max()) + 1
    targets = torch.where(parts >= TokenRole.SIGN, tokens, IGNORED)
    return tokens[:, : width - 1], targets[:, 1:width]


def _lora_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The low-rank factors that peft has put into a model."""
    return [parameter for name, parameter in model.named_parameters() if ".lora_" in name]


def _keep_last_rows(gradient: Tensor, rows: int, axis: int) -> Tensor:
    kept = torch.zeros_like(gradient)
    last = gradient.shape[axis] - rows
    kept.narrow(axis, last, rows).copy_(gradient.narrow(axis, last, rows))
    return kept
