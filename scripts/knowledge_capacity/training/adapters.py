"""Low-rank updates of a model's matrices (LoRA, Hu et al. 2021), trained while the model itself stays as it is.

A matrix is what it was plus SCALE · up · down. The sum is put into the model before each step, and the gradient that
the matrix then gets is carried over to both factors. So any model can be updated that computes with its parameters,
and a trained run is saved as a model like any other.
"""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ..files import UserError
from ..models.loss import loss
from ..models.native_decoder import NativeDecoder, is_supported_decoder
from ..models.token_tables import token_tables
from ..models.updated_layers import SCALE, is_of_attention, layers_to_update
from ..specs import Adapter, Recipe
from . import optimizers as optim
from .step import DTYPES, Precision


class AdaptedModel(nn.Module):
    """A model, what its updated matrices were before, and the factors of the updates: its only trained parameters.

    The factors are zero on one side, so that training begins from the model as it is.
    """

    def __init__(self, model: nn.Module, adapter: Adapter, seed: int) -> None:
        """model: on the device where it is trained. seed: of the factors.

        Raises UserError for a model without matrices of the adapter's targets.
        """
        super().__init__()
        self.model = model
        found = dict(find_targets(model, adapter))
        if not found:
            raise UserError(
                f"adapter: {type(model).__name__} has no {adapter.targets} for low-rank updates, by the names and "
                "kinds of its layers. Name other targets: layers, attention, mlp or embeddings."
            )
        self._turned = {name: is_turned for name, (_, is_turned) in found.items()}
        self._of_tokens = adapter.targets == "embeddings"
        self.ups, self.downs = nn.ParameterList(), nn.ParameterList()
        generator = torch.Generator().manual_seed(seed)
        for weight, is_turned in found.values():
            rows, columns = reversed(weight.shape) if is_turned else weight.shape
            up, down = torch.zeros(rows, adapter.rank), torch.empty(adapter.rank, columns)
            # as torch and peft draw the weights of a layer with so many inputs
            bound = 1 / math.sqrt(columns)
            down.uniform_(-bound, bound, generator=generator)
            self.ups.append(nn.Parameter(up.to(weight.device)))
            self.downs.append(nn.Parameter(down.to(weight.device)))
        self.freeze()

    def freeze(self) -> None:
        """Take the model as it is now for what the updates are added to."""
        for place, weight in enumerate(self.weights.values()):
            self.register_buffer(f"before{place}", weight.detach().clone())

    @property
    def factors(self) -> nn.ModuleList:
        """All that is trained."""
        return nn.ModuleList([self.ups, self.downs])

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The matrices that are updated, by name."""
        return {name: self.model.get_parameter(name) for name in self._turned}

    @torch.no_grad()
    def merge(self) -> None:
        """Put the updates, as they are now, into the model."""
        for place, (name, weight) in enumerate(self.weights.items()):
            update = self.ups[place] @ self.downs[place]
            before = self.get_buffer(f"before{place}")
            torch.add(before, update.T if self._turned[name] else update, alpha=SCALE, out=weight.detach())

    @torch.no_grad()
    def take_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Give the factors the gradients that follow from those of the matrices, by name."""
        for place, (name, is_turned) in enumerate(self._turned.items()):
            up, down = self.ups[place], self.downs[place]
            gradient = gradients[name].T if is_turned else gradients[name]
            up.grad = SCALE * gradient @ down.T
            down.grad = SCALE * up.T @ gradient

    def n_trained(self, used_tokens: int) -> int:
        """P of the updates: the numbers in both factors; of those over the vocabulary, rows of used tokens alone."""
        total = sum(parameter.numel() for parameter in self.factors.parameters())
        if self._of_tokens:
            total -= sum((len(up) - used_tokens) * up.shape[1] for up in self.ups)
        return total


def find_targets(model: nn.Module, adapter: Adapter) -> Iterator[tuple[str, tuple[nn.Parameter, bool]]]:
    """The names and values of the matrices that an adapter updates, and whether each has its inputs as rows.

    Of tables over the vocabulary, tokens are rows. Of a matrix under two names, the first.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    if adapter.targets == "embeddings":
        for table in token_tables(model):
            if table.weight.dim() == 2:
                assert isinstance(table.weight, nn.Parameter)
                yield names[id(table.weight)], (table.weight, table.axis == 1)
        return
    for layer in layers_to_update(model):
        if adapter.targets == "layers" or (adapter.targets == "attention") == is_of_attention(layer):
            module = model.get_submodule(layer)
            weight = module.get_parameter("weight")
            yield names[id(weight)], (weight, not isinstance(module, nn.Linear))


class AdapterStep:
    """Forward, backward and update of the factors; as `step.Step`, whose attributes it has, by one process."""

    ahead, scaler = 1, None

    def __init__(self, model: AdaptedModel, recipe: Recipe, precision: Precision) -> None:
        self._model, self._precision = model, precision
        self._device = next(model.parameters()).device
        self.optimizers = optim.make_optimizers(model.factors, recipe)
        self.sums = torch.zeros(3, dtype=torch.float64, device=self._device)
        inner = model.model
        self._decoder = None
        if precision == "fp32" and is_supported_decoder(inner):
            self._decoder = NativeDecoder(inner)
        wanted = set(map(id, model.weights.values()))
        for parameter in inner.parameters():
            parameter.requires_grad_(id(parameter) in wanted)

    @property
    def engine(self) -> str:
        """How gradients are made: natively in C++, or eagerly."""
        return "adapter, native" if self._decoder else "adapter, eager"

    def __call__(self, inputs: Tensor, targets: Tensor, n_targets: int, lr: float) -> None:
        """Train on a batch, int64 (rows, window). n_targets: those not ignored. lr: of this step."""
        model = self._model
        model.merge()
        optim.set_rate(self.optimizers, lr)
        if self._decoder:
            self.sums[0] += self._decoder.differentiate(inputs, targets)[0]
            model.take_gradients(self._decoder.gradients)
        else:
            self._differentiate(inputs, targets, n_targets)
        for optimizer in self.optimizers:
            optimizer.step()

    def _differentiate(self, inputs: Tensor, targets: Tensor, n_targets: int) -> None:
        inner = self._model.model
        with torch.autocast(
            self._device.type, DTYPES.get(self._precision), enabled=self._precision in DTYPES
        ):
            found = loss(inner, inputs, targets)
        mean = found.nats / n_targets
        (mean if found.extra is None else mean + found.extra).backward()
        self.sums[0] += mean.detach()
        if found.routing is not None:
            self.sums[1:] += found.routing
        gradients = {}
        for name, weight in self._model.weights.items():
            if weight.grad is None:
                raise UserError(f"adapter: no gradient reaches {name}, so its update cannot learn.")
            gradients[name] = weight.grad
        self._model.take_gradients(gradients)
        inner.zero_grad()
