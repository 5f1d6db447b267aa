"""Low-rank updates of all linear layers of dense and shared parts at the rank asked for, never of routed experts."""

from typing import Any

import pytest
import torch
from helpers.checkpoints import SMALL
from helpers.known_models import BIOS, words_of
from knowledge_capacity.data import people
from knowledge_capacity.extraction import exam, tuning
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import (
    AnyArchitecture,
    Architecture,
    Experts,
    Extraction,
    TransformersModel,
)
from torch import Tensor, nn

RANK = 2
WORDS = words_of(BIOS)
ROUTED = {"num_local_experts": 4, "num_experts_per_tok": 2}  # as Mixtral names them
DEEPSEEK = {
    **SMALL, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
    "n_shared_experts": 1, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}  # fmt: skip
QWEN = {
    **SMALL,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 24,
    "decoder_sparse_step": 1,
}
FOUR = [f"self_attn.{letter}_proj" for letter in "qkvo"]
GATED = ["gate_proj", "up_proj", "down_proj"]
LATENT = ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"]


def every_layer(*names: str) -> set[str]:
    return {f"model.layers.{i}.{name}" for i in range(2) for name in names}


MODELS: dict[str, tuple[AnyArchitecture, set[str]]] = {
    "DeepSeek-V3, whose first layer is dense": (
        TransformersModel("DeepseekV3Config", DEEPSEEK),
        every_layer(*(f"self_attn.{name}" for name in LATENT))
        | {f"model.layers.0.mlp.{name}" for name in GATED}
        | {f"model.layers.1.mlp.shared_experts.{name}" for name in GATED},
    ),
    "Mixtral": (TransformersModel("MixtralConfig", {**SMALL, **ROUTED}), every_layer(*FOUR)),
    "Qwen2 with experts": (
        TransformersModel("Qwen2MoeConfig", QWEN),
        every_layer(*FOUR, "mlp.shared_expert_gate", *(f"mlp.shared_expert.{name}" for name in GATED)),
    ),
    "Qwen3 with experts": (TransformersModel("Qwen3MoeConfig", {**QWEN, "head_dim": 8}), every_layer(*FOUR)),
    "HunYuan, whose router is a layer in a module": (
        TransformersModel("HunYuanMoEV1Config", {**SMALL, "head_dim": 8, "num_experts": 4, "moe_topk": 2}),
        every_layer(*FOUR, *(f"mlp.shared_mlp.{name}" for name in GATED)),
    ),
    "Granite with experts": (TransformersModel("GraniteMoeConfig", {**SMALL, **ROUTED}), every_layer(*FOUR)),
    "LLaMA": (
        TransformersModel("LlamaConfig", {**SMALL, "num_hidden_layers": 2}),
        every_layer(*FOUR, *(f"mlp.{name}" for name in GATED)),
    ),
    "GPT-2 of the study with experts": (
        Architecture(layers=2, heads=2, width=16, family="gpt2-moe", experts=Experts(number=4)),
        {f"layers.{i}.attention.{name}" for i in range(2) for name in ("joint", "out")},
    ),
}


def updates_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The ranks of each update in a model, by the name of what it updates."""
    found: dict[str, tuple[int, ...]] = {}
    for name, parameter in model.named_parameters():
        stem, sign, _ = name.partition(".lora_A.")
        if sign:
            found[stem] = (*found.get(stem, ()), len(parameter))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_dense_and_shared_layers_are_updated_at_the_rank_asked_for(name: str) -> None:
    architecture, expected = MODELS[name]
    model = build_model(architecture, WORDS.get_vocab_size(), 64, seed=0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    heard: list[str] = []
    end = WORDS.get_vocab()["<|endoftext|>"]
    spec = Extraction(rank=RANK, lr=1e-2, epochs=1, batch_size=32)
    held = exam.run_exam(model, BIOS, 0, people.draw_all_people(BIOS, 0), WORDS, [end], spec, heard.append)
    assert set(held.updated) == expected
    assert updates_of(model) == dict.fromkeys(expected, (RANK,))
    assert heard[0].startswith(f"updates of rank {RANK} to ")
    assert tuning.shorten_names(held.updated) in heard[0]
    taught = {key: value for key, value in model.state_dict().items() if ".lora_B" in key}
    assert all(value.abs().max() > 0 for value in taught.values())
    after = {key.replace(".base_layer", ""): value for key, value in model.state_dict().items()}
    for key, value in before.items():  # routed experts and all other weights stay
        assert torch.equal(after[key][: len(value)] if value.dim() else after[key], value), key


class Mixed(nn.Module):
    """Experts as a user writes them: in a list, with a router and a gated layer beside; more layers than twenty."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 8)
        self.many = nn.ModuleList(nn.Linear(8, 8) for _ in range(22))
        self.other = nn.ModuleDict({"many": nn.ModuleDict({"3": nn.Identity()}), "gate": nn.Linear(8, 8)})
        self.moe = nn.ModuleDict(
            {"gate": nn.Linear(8, 2), "experts": nn.ModuleList(nn.Linear(8, 8) for _ in range(2)),
             "shared_expert": nn.Linear(8, 8), "latent": nn.Linear(8, 8)}
        )  # fmt: skip
        self.attention = nn.MultiheadAttention(8, 1, batch_first=True)
        self.head = nn.Linear(8, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.many:
            x = x + layer(x)
        x = x * self.other["gate"](x).sigmoid()
        shares = self.moe["gate"](x).softmax(dim=-1)
        experts: Any = self.moe["experts"]
        x = x + sum(shares[..., i : i + 1] * expert(x) for i, expert in enumerate(experts))
        x = x + self.moe["shared_expert"](self.moe["latent"](x))
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.head(x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0])


def test_a_model_of_ones_own_and_what_it_does_not_call() -> None:
    torch.manual_seed(0)
    model = Mixed(WORDS.get_vocab_size())
    heard: list[str] = []
    end = WORDS.get_vocab()["<|endoftext|>"]
    spec = Extraction(rank=RANK, lr=1e-2, epochs=1, batch_size=32)
    held = exam.run_exam(model, BIOS, 0, people.draw_all_people(BIOS, 0), WORDS, [end], spec, heard.append)
    own = {f"many.{i}" for i in range(22)} | {"other.gate", "moe.shared_expert", "moe.latent"}
    assert set(held.updated) == own | {"attention.out_proj"}
    assert set(updates_of(model)) == set(held.updated)
    # torch's attention takes this layer's weight and passes its forward by
    assert any("no update of these has an effect" in line and "attention.out_proj" in line for line in heard)


def test_names_are_shortened() -> None:
    names = ["a.0.b", "a.1.b", "a.10.c", "head2"]
    assert tuning.shorten_names(names) == "a.*.b (2), a.*.c, head2"
