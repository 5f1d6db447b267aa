"""The optimisers: AdamW for everything, or Muon for the matrices inside layers and AdamW for the rest."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..models.build import token_weights
from ..specs import Recipe


class LeanAdamW(torch.optim.AdamW):
    """Fused AdamW on a processor with the same results, for models whose steps take a millisecond or two.

    Torch's own looks through all parameters and options at every step, which can take a tenth of such a step.
    Here they are gathered once, and the counters of steps, one for each parameter, are views of one tensor.
    """

    _gathered: list[tuple[dict[str, Any], Tensor, list[list[Tensor]]]] | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        if closure or not self._gathered or not self._in_order():
            found = super().step(closure)
            self._gather()
            return found
        scaling = {
            "grad_scale": getattr(self, "grad_scale", None),
            "found_inf": getattr(self, "found_inf", None),
        }
        for group, count, (means, squares, counts) in self._gathered:
            count += 1
            torch._fused_adamw_(
                group["params"],
                [p.grad for p in group["params"]],
                means,
                squares,
                [],
                counts,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
                **scaling,
            )
            if scaling["found_inf"] is not None:  # where a gradient overflowed, nothing was updated
                count -= scaling["found_inf"]
        return None

    def _in_order(self) -> bool:
        """Whether every parameter has a gradient, and the state is the one that was gathered."""
        assert self._gathered
        return all(
            self.state[group["params"][0]]["step"] is counts[0]
            and all(p.grad is not None for p in group["params"])
            for group, _, (_, _, counts) in self._gathered
        )

    def _gather(self) -> None:
        self._gathered = []
        for group in self.param_groups:
            states: list[dict[str, Any]] = [self.state.get(p, {}) for p in group["params"]]
            if not all(states):  # a parameter that no loss depends on has none
                self._gathered = None
                return
            count = torch.stack([state["step"] for state in states])
            for state, view in zip(states, count.unbind(), strict=True):
                state["step"] = view
            lists = [[state[key] for state in states] for key in ("exp_avg", "exp_avg_sq", "step")]
            self._gathered.append((group, count, lists))


class CapturableMuon(torch.optim.Muon):
    """Muon with a tensor as its learning rate, so that its step can be part of a captured graph.

    torch's own turns the rate into a number, which a graph would keep for ever. Since the update is linear in
    the rate, this one takes the update of rate 1 and scales it on the device.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        rates = [group["lr"] for group in self.param_groups]
        before = [[p.clone() for p in group["params"]] for group in self.param_groups]
        try:
            for group in self.param_groups:
                group["lr"] = 1.0
            found = super().step(closure)
        finally:
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate
        for group, rate, old in zip(self.param_groups, rates, before, strict=True):
            for parameter, value in zip(group["params"], old, strict=True):
                parameter.sub_(value).mul_(rate).add_(value)
        return found


def make_optimizers(model: nn.Module, recipe: Recipe, capturable: bool = False) -> list[Optimizer]:
    """The optimisers of a model's parameters: each parameter belongs to one of them.

    Weight decay is for matrices, not for biases and norms. Muon's rate is made to match AdamW's (Liu et al.
    2025, arXiv 2502.16982), so that one `lr` serves both. capturable: for steps captured as a CUDA graph.
    """
    device = next(model.parameters()).device
    rate: Any = torch.tensor(recipe.lr, device=device) if capturable else recipe.lr
    by_muon = matrices_of_layers(model) if recipe.optimizer == "muon" else []
    taken = {id(p) for p in by_muon}
    rest = [(name, p) for name, p in model.named_parameters() if id(p) not in taken]
    groups = [
        {"params": [p for name, p in rest if is_matrix(name, p)], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in rest if not is_matrix(name, p)], "weight_decay": 0.0},
    ]
    adamw = LeanAdamW if device.type == "cpu" else torch.optim.AdamW
    optimizers: list[Optimizer] = [
        adamw(
            [group for group in groups if group["params"]],
            lr=rate,
            betas=recipe.betas,
            eps=recipe.eps,
            fused=True,
            capturable=capturable,
        )
    ]
    if by_muon:
        kind = CapturableMuon if capturable else torch.optim.Muon
        optimizers.append(
            kind(by_muon, lr=rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
        )
    return optimizers


def set_rate(optimizers: Sequence[Optimizer], lr: float) -> None:
    """Give all optimisers this learning rate: in place where it is a tensor, which they share."""
    shared = optimizers[0].param_groups[0]["lr"]
    if isinstance(shared, Tensor):
        shared.fill_(lr)
        return
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr


def matrices_of_layers(model: nn.Module) -> list[nn.Parameter]:
    """The two-dimensional matrices but embeddings and head."""
    by_token = {id(weight) for weight in token_weights(model)}
    by_token |= {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    return [
        p
        for name, p in model.named_parameters()
        if p.dim() == 2 and is_matrix(name, p) and id(p) not in by_token
    ]


def is_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix, or one for each expert; experts' biases have two dimensions too."""
    return parameter.dim() > 1 and not name.endswith("bias")
