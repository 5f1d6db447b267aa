"""Models that cannot be trained and measured are told so before anything starts."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from helpers.checkpoints import SMALL
from knowledge_capacity.files import UserError
from knowledge_capacity.models import trial
from knowledge_capacity.models.build import build_model
from knowledge_capacity.models.configurations import settle_architecture
from knowledge_capacity.models.effects import drop_idle_fields
from knowledge_capacity.specs import PythonModel, TransformersModel

VOCABULARY, LENGTHS = 29, (16, 9, 20)
GOOD = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self, vocabulary, width=8):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary)
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, tokens):
        x = self.embedding(tokens)
        return self.head(x + x.cumsum(dim=1)) + self.zero

def in_blocks(x):
    # each token sees all of its own block of eight
    blocks = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % 8)).unflatten(1, (-1, 8))
    return blocks.mean(dim=2, keepdim=True).expand_as(blocks).flatten(1, 2)[:, :x.shape[1]]

def build(vocabulary, window):
    return Model(vocabulary)
"""


def tried(tmp_path: Path, text: str) -> int:
    (tmp_path / "mine.py").write_text(text)
    model = build_model(PythonModel(f"{tmp_path}/mine.py:build"), VOCABULARY, 16, seed=0)
    return trial.check_model(model, "mine.py:build", VOCABULARY, LENGTHS, trained=False)


def test_a_good_model_passes(tmp_path: Path) -> None:
    assert tried(tmp_path, GOOD) == 0


def test_parameters_without_gradient_are_counted(tmp_path: Path) -> None:
    assert tried(tmp_path, GOOD.replace("self.head =", "self.idle = nn.Linear(3, 4); self.head =")) == 16


HEAD = "self.head = nn.Linear(width, vocabulary)"
BODY = "self.head(x + x.cumsum(dim=1)) + self.zero"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (BODY, "self.head(x + x.mean(dim=1, keepdim=True))", r"not causal: its logits at token \d+ change"),
        (BODY, "self.head(x + in_blocks(x))", "not causal"),
        (BODY, "self.head(x) + self.zero * x.mean()", "not causal"),  # hidden until it is trained
        # each token of the beginning, where names stand, sees all of it; or so at the end
        (BODY, "self.head(torch.cat([x[:, :5] + x[:, :5].mean(1, True), x[:, 5:]], 1))", "not causal"),
        (BODY, "self.head(torch.cat([x[:, :-3], x[:, -3:] + x[:, -3:].mean(1, True)], 1))", "not causal"),
        (BODY, "self.head(x + x.mean(dim=0))", "change with another text of the batch"),
        (BODY, "self.head(x * x.shape[1])", "first 9 tokens change with the length of the text"),
        (BODY, "self.head(x[:, -1:])", r"gives logits of shape \(2, 1, 29\), not \(2, 9, 29\)"),
        (
            BODY,
            "(self.head(x),)",
            r"it gives a tuple of 1, not a tensor of logits \(batch, length, vocabulary\)\. Give the",
        ),
        (BODY, "(self.head(x)[:, [-1]], None)", r"it gives a tuple of 2, not a tensor of logits"),
        (BODY, "self.head(x / 0 * 0)", "NaN or infinity before any training"),
        (BODY, "self.head(x).detach()", r"no gradient comes back from its loss \(RuntimeError"),
        (
            HEAD,
            f"{HEAD}; self.head.weight = nn.Parameter(self.embedding.weight.data)",
            r"parameters embedding\.weight and head\.weight are two, but share their memory\. Tie them",
        ),
        ("nn.Linear(width, vocabulary)", "nn.Linear(width, 7)", r"of shape \(2, 9, 7\), not \(2, 9, 29\)"),
        ("nn.Embedding(vocabulary", "nn.Embedding(20", "has 20 rows, not one for each of the dataset's 29"),
    ],
)
def test_a_model_that_will_not_do(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(UserError, match=message) as error:
        tried(tmp_path, GOOD.replace(old, new))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("layers", "saved"),
    [
        ("nn.ModuleList([nn.Linear(width, width)])", True),
        ("[nn.Linear(width, width)]", False),
        ("[lambda x, drawn=torch.randn(width): x * drawn]", False),
        ("[lambda x, fixed=torch.ones(width): x * fixed]", True),
    ],
)
def test_a_model_that_its_weights_do_not_make_is_refused(tmp_path: Path, layers: str, saved: bool) -> None:
    """Each seed would be trained with numbers of its own, and be measured with those of another."""
    text = GOOD.replace(HEAD, f"{HEAD}; self.layers = {layers}").replace("(x + x.", "(x + self.layers[0](x).")
    (tmp_path / "mine.py").write_text(text)
    expected = (
        nullcontext()
        if saved
        else pytest.raises(UserError, match=r"not saved with its weights, .*ModuleList")
    )
    with expected:
        trial.check_rebuilding(PythonModel(f"{tmp_path}/mine.py:build"), "mine", VOCABULARY, 16)


def test_sizes_that_are_not_known_yet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"head\.weight has no size before .* as nn\.Linear takes them"):
        tried(tmp_path, GOOD.replace(HEAD, "self.head = nn.LazyLinear(vocabulary)"))


def test_models_of_transformers_are_tried_too() -> None:
    fields = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    for name, causal in (("LlamaConfig", True), ("BertConfig", False)):
        model = build_model(TransformersModel(name, fields), VOCABULARY, 16, seed=0)
        if causal:
            assert trial.check_model(model, name, VOCABULARY, LENGTHS, trained=False) == 0
        else:
            with pytest.raises(
                UserError, match=r"BertConfig: it is not causal: .*\. Add is_decoder: true to its fields\."
            ):
                trial.check_model(model, name, VOCABULARY, LENGTHS, trained=False)


HELPERS = Path(__file__).parents[1] / "helpers"
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2}


@pytest.mark.parametrize(
    ("config", "fields", "said"),
    [
        (
            "GPT2Config",
            GPT2,
            [
                "GPT2Config: it draws random numbers while it trains, as dropout does: its configuration says so "
                "(resid_pdrop 0.1, embd_pdrop 0.1, attn_pdrop 0.1), and 0 ends it"
            ],
        ),
        ("GPT2Config", {**GPT2, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, []),
        ("MixtralConfig", {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}, []),
        (
            "MixtralConfig",
            {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2, "router_jitter_noise": 0.5},
            [
                "MixtralConfig: it draws random numbers while it trains, as dropout does: its configuration says so "
                "(router_jitter_noise 0.5), and 0 ends it"
            ],
        ),
    ],
)
def test_what_drops_out_is_said(config: str, fields: dict[str, Any], said: list[str]) -> None:
    heard: list[str] = []
    model = build_model(TransformersModel(config, fields), VOCABULARY, 16, seed=0)
    trial.check_model(model, config, VOCABULARY, LENGTHS, trained=False, say=heard.append)
    assert heard == said


def test_numbers_that_no_seed_decides_on_are_refused(tmp_path: Path) -> None:
    model = build_model(
        PythonModel(f"{HELPERS}/drawing_model.py:build_shaken", {"kind": "of the system"}), VOCABULARY, 16, 0
    )
    with pytest.raises(UserError, match="it draws random numbers that no seed decides on"):
        trial.check_model(model, "mine", VOCABULARY, LENGTHS, trained=False)
    with pytest.raises(
        UserError, match=r"it draws random numbers in eval mode too, .*where self\.training is"
    ):
        tried(tmp_path, GOOD.replace(BODY, "self.head(nn.functional.dropout(x, 0.5)) + self.zero"))


def test_fields_without_effect_are_found() -> None:
    experts = {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 1}
    idle = {"router_aux_loss_coef": 0.5, "max_position_embeddings": 512}
    spec = settle_architecture(TransformersModel("MixtralConfig", {**experts, **idle})).architecture
    plain = settle_architecture(TransformersModel("MixtralConfig", experts)).architecture
    assert drop_idle_fields(spec, VOCABULARY, 16) == (plain, sorted(idle))
    does = {"rope_theta": 500, "attention_dropout": 0.001, "router_jitter_noise": 0.1, "sliding_window": 8}
    spec = settle_architecture(TransformersModel("MixtralConfig", {**experts, **does})).architecture
    assert drop_idle_fields(spec, VOCABULARY, 16) == (spec, [])
    assert drop_idle_fields(spec, VOCABULARY, 8)[1] == ["sliding_window"]  # every token sees all others
