"""Which linear layers of a model low-rank updates belong to (LoRA, Hu et al. 2021)."""

from torch import nn

from .build import token_weights
from .experts import Mixture

ROUTERS = ("gate", "gating", "router", "wg")  # linear layers of these names beside experts choose among them
# in the name of a part that holds its layers; all other layers are the MLP's
ATTENTION = ("attn", "attention")
SCALE = 2.0  # of low-rank updates: lora_alpha / rank of peft


def layers_to_update(model: nn.Module) -> list[str]:
    """The names of all linear layers but those over the vocabulary, routed experts, and routers to them."""
    by_token = {id(weight) for weight in token_weights(model)}
    with_experts = {
        name.rpartition(".")[0]
        for name, _ in [*model.named_modules(), *model.named_parameters()]
        if _holds_experts(name.rpartition(".")[2])
    }
    mixtures = {name for name, module in model.named_modules() if isinstance(module, Mixture)}

    def is_routed(name: str) -> bool:
        parts = name.split(".")
        # a router may be a module with its layer in it, as HunYuan's mlp.gate.wg
        beside = any(
            part in ROUTERS and ".".join(parts[:i]) in with_experts | mixtures for i, part in enumerate(parts)
        )
        return beside or "router" in parts or any(_holds_experts(part) for part in parts)

    return [
        name
        for name, module in model.named_modules()
        if _is_linear(module) and id(module.weight) not in by_token and not is_routed(name)
    ]


def is_of_attention(layer: str) -> bool:
    """Whether a layer of this name belongs to attention."""
    return any(word in layer.lower() for word in ATTENTION)


def _holds_experts(part: str) -> bool:
    """Whether a part of a name is that of routed experts; shared ones are read by every token."""
    return part.endswith("experts") and "shared" not in part


def _is_linear(module: nn.Module) -> bool:
    """Whether peft knows how to update a module: torch's linear layer, or the one of transformers' GPT-2."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
