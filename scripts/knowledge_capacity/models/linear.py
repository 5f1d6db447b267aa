"""The linear layers of the decoder. `Decoder.initialise` draws their weights, and making them draws nothing."""

from torch import Tensor, nn

from . import ops


class Linear(nn.Linear):
    """A linear layer that leaves its bias to what comes after it, which adds it in one pass over memory."""

    def reset_parameters(self) -> None:
        """Draw nothing, so that a model to be filled costs nothing to make."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.linear(input, self.weight)


class WholeLinear(Linear):
    """A linear layer that adds its bias itself."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.linear(input, self.weight, self.bias)
