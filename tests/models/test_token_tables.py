"""P leaves out the rows that no text reaches, in every table over the vocabulary and in no other."""

from typing import Any

import pytest
import torch
from helpers.checkpoints import SMALL
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.models.token_tables import token_tables
from knowledge_capacity.specs import Architecture, TransformersModel
from torch import Tensor, nn

VOCABULARY, WIDTH, POSITIONS = 40, 6, 90


POSITION_ROWS = pytest.mark.parametrize("rows", [POSITIONS, 12])  # more and fewer than there are tokens


class Tables(nn.Module):
    """Tables in places where a list of kinds would not look for them, and matrices that only look like tables."""

    def __init__(self, positions: int, vocabulary: int = VOCABULARY) -> None:
        super().__init__()
        self.place = nn.Embedding(positions, WIDTH)  # before the embedding
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.of_layers = nn.ModuleList(nn.Embedding(vocabulary, 3) for _ in range(2))
        self.values = nn.Parameter(torch.randn(vocabulary, 5))  # looked up without a module
        self.longer = nn.Embedding(3 * vocabulary, 2)  # of which these texts use a third
        self.down = nn.Linear(WIDTH + 3 + 3 + 5 + 2, WIDTH)
        self.wide = nn.Linear(WIDTH, VOCABULARY)  # as many units as tokens, by chance
        self.narrow = nn.Linear(VOCABULARY, WIDTH)
        self.heads = nn.Parameter(torch.randn(2, vocabulary, WIDTH))
        self.turned = nn.Parameter(torch.zeros(WIDTH, vocabulary))
        self.shift = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.place(torch.arange(tokens.shape[1]))
        more = [table(tokens) for table in (*self.of_layers, self.longer)]
        x = self.down(torch.cat([x, *more, self.values[tokens]], dim=-1))
        x = x + self.narrow(self.wide(x).relu())
        found = torch.einsum("btd,nvd->btv", x, self.heads) + x @ self.turned + self.shift
        return found.log_softmax(dim=-1)


@POSITION_ROWS
def test_every_table_is_found_and_no_other(rows: int) -> None:
    torch.manual_seed(0)
    model = Tables(rows)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {names[id(table.weight)]: table.axis for table in token_tables(model)}
    assert found == {
        "embedding.weight": 0, "of_layers.0.weight": 0, "of_layers.1.weight": 0, "values": 0, "longer.weight": 0,
        "heads": 1, "turned": 1, "shift": 0,
    }  # fmt: skip
    assert next(iter(found)) == "embedding.weight"
    row = WIDTH + 2 * 3 + 5 + 2 + 2 * WIDTH + WIDTH + 1
    total = sum(parameter.numel() for parameter in model.parameters())
    assert n_parameters(model, 11) == total - (VOCABULARY - 11) * row - 2 * VOCABULARY * 2


def test_trying_a_model_leaves_it_and_random_numbers_as_they_were() -> None:
    model = nn.Sequential(nn.Embedding(30, 4), nn.Dropout(), nn.BatchNorm1d(6), nn.Linear(4, 30))
    model[1].eval()
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    assert len(token_tables(model)) == 3
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model] == [True, False, True, True]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_layers_that_are_used_several_times_stay_the_same() -> None:
    layer = nn.Linear(4, 40)
    model = nn.Sequential(nn.Embedding(40, 4), layer, nn.Linear(40, 4), layer)
    assert [table.row_size for table in token_tables(model)] == [
        4
    ]  # which the shared layer is no head of alone
    assert model[1] is model[3]
    assert model[1].weight is model[3].weight is layer.weight


def test_a_head_of_which_no_logit_comes_out_counts_by_its_shape() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.mix = nn.Embedding(30, 4), nn.Linear(4, 4)
            self.later = nn.Linear(4, 30)  # of tokens further on, as training alone asks for them

        def forward(self, tokens: Tensor) -> Tensor:
            return self.mix(self.embedding(tokens)) @ self.embedding.weight.t()

    assert n_parameters(Idle(), 9) == 9 * (4 + 4 + 1) + 4 * 4 + 4


def test_a_model_that_cannot_be_tried_is_counted_by_shape() -> None:
    class Failing(nn.Sequential):
        def forward(self, tokens: Tensor) -> Tensor:
            raise RuntimeError("not today")

    assert n_parameters(Failing(nn.Embedding(30, 4), nn.Linear(4, 30)), 9) == 9 * (4 + 4 + 1)
    few = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5))  # too few tokens to try
    assert n_parameters(few, 3) == 3 * (4 + 4 + 1)


GEMMA = {
    **SMALL, "num_key_value_heads": 1, "head_dim": 8, "hidden_size_per_layer_input": 4,
    "vocab_size_per_layer_input": 100, "num_kv_shared_layers": 0, "laurel_rank": 4,
    "layer_types": ["full_attention"] * 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "fields", "row"),
    [
        ("Gemma3nTextConfig", GEMMA, 16 + 2 * 4),  # tied, and of each layer a table of its own
        ("GPT2Config", {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 500}, 16),
        ("OPTConfig", {**SMALL, "ffn_dim": 24, "word_embed_proj_dim": 8}, 8),
        ("GPTJConfig", {"n_embd": 16, "n_layer": 1, "n_head": 2, "rotary_dim": 4}, 2 * 16 + 1),  # its head has a bias
        ("Qwen3Config", {**SMALL, "tie_word_embeddings": False}, 2 * 16),
    ],
)  # fmt: skip
def test_models_of_transformers(config: str, fields: dict[str, Any], row: int) -> None:
    model = build_model(TransformersModel(config, fields), VOCABULARY, 16, seed=0)
    assert n_parameters(model, 20) - n_parameters(model, 19) == row
    longer = sum(table.row_size * (table.rows - VOCABULARY) for table in token_tables(model))
    total = sum(parameter.numel() for parameter in model.parameters())
    assert n_parameters(model, VOCABULARY) == total - longer
    assert longer == (2 * 4 * 60 if config == "Gemma3nTextConfig" else 0)


@pytest.mark.parametrize(
    ("config", "fields", "rows", "width"),
    [
        ("GPT2Config", {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 500}, 500, 16),
        # the first two rows are those of no position
        ("OPTConfig", {**SMALL, "ffn_dim": 24, "word_embed_proj_dim": 16, "max_position_embeddings": 500}, 502, 16),
        ("LlamaConfig", {**SMALL, "max_position_embeddings": 500}, 0, 16),
    ],
)  # fmt: skip
def test_positions_that_no_window_has_do_not_count(
    config: str, fields: dict[str, Any], rows: int, width: int
) -> None:
    model = build_model(TransformersModel(config, fields), VOCABULARY, 16, seed=0)
    every = n_parameters(model, VOCABULARY)
    for window in (16, 64, 500, 900):
        assert every - n_parameters(model, VOCABULARY, window) == max(0, rows - min(window, 500)) * width


@POSITION_ROWS
def test_positions_of_a_model_of_ones_own(rows: int) -> None:
    model = Tables(rows)
    assert n_parameters(model, 20) - n_parameters(model, 20, 10) == (rows - 10) * WIDTH
    assert n_parameters(model, 20) == n_parameters(model, 20, rows)


def test_the_decoder_says_what_its_tables_are() -> None:
    for tied, tables in ((True, 1), (False, 2)):
        model = build_model(Architecture(1, 1, 8, tied=tied), VOCABULARY, 16, seed=0)
        assert [table.rows for table in token_tables(model)] == [VOCABULARY] * tables
