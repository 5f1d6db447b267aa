"""The decoder of the study: GPT-2 with rotary position embedding in place of learned positions.

Parameter names, shapes and the layout of the joint query-key-value projection are those of GPT-NeoX in
transformers, so a saved model loads there as it is.
"""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..files import UserError, remake
from ..specs import Architecture

ROTARY_FRACTION = 0.25
ROTARY_BASE = 10_000.0
INIT_STD = 0.02


def rotary_dimensions(architecture: Architecture) -> int:
    """How many dimensions of each head are rotated: a quarter of them, an even number, at least two."""
    return max(2, int(architecture.width // architecture.heads * ROTARY_FRACTION) // 2 * 2)


class Attention(nn.Module):
    """Causal self-attention over all earlier positions of the window."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.heads = architecture.heads
        self.rotary = rotary_dimensions(architecture)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (batch, window, width), cos and sin (window, rotary) → (batch, window, width)."""
        batch, window, width = x.shape
        joint = self.query_key_value(x).view(batch, window, self.heads, 3, width // self.heads)
        turned, kept = joint[..., :2, : self.rotary], joint[..., :2, self.rotary :]
        a, b = turned.chunk(2, dim=-1)
        turned = turned * cos[:, None, None] + torch.cat([-b, a], dim=-1) * sin[:, None, None]
        query, key = torch.cat([turned, kept], dim=-1).permute(3, 0, 2, 1, 4).unbind()
        value = joint[..., 2, :].transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.dense(mixed.transpose(1, 2).reshape(batch, window, width))


class MLP(nn.Module):
    """Two linear layers with a GELU between them, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(width, 4 * width)
        self.dense_4h_to_h = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense_4h_to_h(F.gelu(self.dense_h_to_4h(x)))


class Layer(nn.Module):
    """Attention, then MLP, each on the normalised stream and added to it."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(architecture.width)
        self.attention = Attention(architecture)
        self.post_attention_layernorm = nn.LayerNorm(architecture.width)
        self.mlp = MLP(architecture.width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attention(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Token ids (batch, window) in, logits (batch, window, vocabulary) out; embedding and head are tied."""

    def __init__(self, architecture: Architecture, vocabulary: int, window: int) -> None:
        super().__init__()
        self.embed_in = nn.Embedding(vocabulary, architecture.width)
        self.layers = nn.ModuleList(Layer(architecture) for _ in range(architecture.layers))
        self.final_layer_norm = nn.LayerNorm(architecture.width)
        self.rotary = rotary_dimensions(architecture)
        self._set_angles(window)

    def _set_angles(self, window: int) -> None:
        """Tables of cosines and sines (window, rotary) for every position of a window."""
        frequency = ROTARY_BASE ** (-torch.arange(0, self.rotary, 2) / self.rotary)
        angle = torch.outer(torch.arange(window, dtype=torch.float), frequency)
        angle = torch.cat([angle, angle], dim=-1).to(self.embed_in.weight.device)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        window = tokens.shape[1]
        if window > len(self.get_buffer("cos")):  # a biography longer than the windows of training
            self._set_angles(window)
        cos, sin = self.get_buffer("cos")[:window], self.get_buffer("sin")[:window]
        x = self.embed_in(tokens)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.final_layer_norm(x), self.embed_in.weight)

    def initialise(self, generator: torch.Generator) -> None:
        """Matrices and embeddings from N(0, 0.02), biases zero, norms one."""
        for name, parameter in self.named_parameters():
            with torch.no_grad():
                if parameter.dim() > 1:
                    parameter.normal_(0.0, INIT_STD, generator=generator)
                else:
                    parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)


def build(architecture: Architecture, vocabulary: int, window: int, seed: int) -> Decoder:
    """A decoder with random weights that depend on the seed alone."""
    model = Decoder(architecture, vocabulary, window)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def chosen_device(name: str) -> str:
    """The device that a name stands for: auto is the GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def n_parameters(architecture: Architecture, used_tokens: int) -> int:
    """P of the metric (Allen-Zhu & Li 2024): all parameters, counting embedding rows of used tokens only.

    12ℓd² + 13ℓd + 2d + V·d for GPT-2 with tied embeddings.
    """
    layers, d = architecture.layers, architecture.width
    return 12 * layers * d * d + 13 * layers * d + 2 * d + used_tokens * d


def transformers_config(architecture: Architecture, vocabulary: int, window: int, end: int) -> dict[str, Any]:
    """The config.json with which transformers loads the saved weights as GPT-NeoX."""
    head = architecture.width // architecture.heads
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "attention_bias": True,
        "attention_dropout": 0.0,
        "bos_token_id": end,
        "classifier_dropout": 0.0,
        "dtype": "float32",
        "eos_token_id": end,
        "hidden_act": "gelu",
        "hidden_dropout": 0.0,
        "hidden_size": architecture.width,
        "initializer_range": INIT_STD,
        "intermediate_size": 4 * architecture.width,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": window,
        "num_attention_heads": architecture.heads,
        "num_hidden_layers": architecture.layers,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": ROTARY_BASE,
            "partial_rotary_factor": rotary_dimensions(architecture) / head,
        },
        "tie_word_embeddings": True,
        "use_parallel_residual": False,
        "vocab_size": vocabulary,
    }


def saved_weights(model: Decoder) -> dict[str, Tensor]:
    """The weights under the names that transformers' GPT-NeoX gives them."""
    return {f"gpt_neox.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}


def load(source: Path, architecture: Architecture, weights: dict[str, Tensor], window: int) -> Decoder:
    """The decoder that weights make, ready for inference; refuses those of another shape.

    source: the file they come from, for the error.
    """
    embedding = weights.get("gpt_neox.embed_in.weight")
    model = Decoder(architecture, 0 if embedding is None else len(embedding), window)
    try:
        model.load_state_dict({name.removeprefix("gpt_neox."): tensor for name, tensor in weights.items()})
    except RuntimeError as error:
        reason = f"these are not the weights of a {architecture.slug}"
        raise UserError(f"{source}: {reason}. {remake(source)}") from error
    return model.eval()
