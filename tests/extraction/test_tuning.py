"""Teaching changes what it should and nothing else, for models of every kind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.known_models import BIOS, everything, words_of
from knowledge_capacity.data import people
from knowledge_capacity.extraction import exam, tuning
from knowledge_capacity.files import UserError
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import AnyArchitecture, Architecture, Experts, Extraction, TransformersModel
from torch import Tensor, nn

SPEC = Extraction(rank=2, lr=1e-2, epochs=2, batch_size=32)
GPT2 = Architecture(layers=1, heads=2, width=16)
SMALL = {"n_embd": 16, "n_layer": 1, "n_head": 2}
LLAMA = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
MODELS: dict[str, AnyArchitecture] = {
    "gpt2": GPT2,
    "llama": Architecture(layers=1, heads=2, width=16, family="llama"),
    "experts": Architecture(layers=1, heads=2, width=16, family="gpt2-moe", experts=Experts(number=4)),
    "GPT-2 of transformers": TransformersModel(config="GPT2Config", fields=SMALL),
    "LLaMA of transformers": TransformersModel(config="LlamaConfig", fields=LLAMA),
}


def held(model: nn.Module, spec: Extraction = SPEC) -> exam.Exam:
    tokens = words_of(BIOS)
    end = tokens.get_vocab()["<|endoftext|>"]
    return exam.run_exam(model, BIOS, 0, people.draw_all_people(BIOS, 0), tokens, [end], spec)


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_stay_and_updates_are_taught(name: str) -> None:
    asked, _ = everything(BIOS)
    model = build_model(MODELS[name], asked.size, 64, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    held(model)
    after = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
    for key, value in before.items():
        assert torch.equal(after[key][: len(value)], value), key
    updates = {key: value for key, value in after.items() if ".lora_B" in key}
    assert updates
    assert all(value.abs().max() > 0 for value in updates.values())


def test_new_words_change_no_answer_about_old_ones() -> None:
    model = build_model(GPT2, 50, 64, seed=0)
    tokens = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(0))
    before = model(tokens)
    grown = tuning.extend_vocabulary(model, 3)
    after = model(tokens)
    assert after.shape[2] == 53
    torch.testing.assert_close(after[..., :50], before)
    after[..., 50:].sum().backward()
    assert grown[0].grad is not None
    assert grown[0].grad[:50].abs().max() == 0
    assert grown[0].grad[50:].abs().min() > 0


def test_who_is_asked_was_never_taught() -> None:
    taught, asked = exam.split_people(41, seed=3)
    assert len(taught) == len(asked) == 20
    assert not set(taught.tolist()) & set(asked.tolist())
    assert np.array_equal(asked, exam.split_people(41, seed=3)[1])
    assert not np.array_equal(asked, exam.split_people(41, seed=4)[1])

    model, codes = (
        build_model(GPT2, words_of(BIOS).get_vocab_size(), 64, seed=0),
        people.draw_all_people(BIOS, 0),
    )
    seen: list[Tensor] = []
    assert isinstance(model.embedding, nn.Embedding)
    model.embedding.register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0]) if torch.is_grad_enabled() else None
    )
    test = held(model)
    whole = everything(BIOS)[0]
    names = {tuple(codes[person, :3].tolist()): person for person in range(len(codes))}
    tokens_of = {
        tuple(whole.tokens[person, 0][whole.parts[person, 0] == 1].tolist()): person
        for person in names.values()
    }
    width, lessons = 3, {tuple(row) for batch in seen for row in batch.tolist()}
    met = {tokens_of.get(row[i : i + width]) for row in lessons for i in range(len(row) - width + 1)} - {None}
    assert met
    assert not met & set(test.asked.tolist())
    assert len(met) == 18  # half of 40, without the tenth that is kept back


def test_the_same_seed_gives_the_same_answers() -> None:
    size = words_of(BIOS).get_vocab_size()
    one, two = (held(build_model(GPT2, size, 64, seed=0)).answers for _ in range(2))
    assert np.array_equal(one.losses, two.losses)
    assert np.array_equal(one.given, two.given)


class Bag(nn.Module):
    """A model without a linear layer, or with one whose forward is never called."""

    def __init__(self, vocabulary: int, linear: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 8)
        self.linear = nn.Linear(8, 8) if linear else None

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        x = F.linear(x, self.linear.weight) if self.linear is not None else x
        return x @ self.embedding.weight.t()


@pytest.mark.parametrize(("linear", "reason"), [(False, "no linear layers"), (True, "past the forward")])
def test_models_that_cannot_be_taught_are_refused(linear: bool, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        held(Bag(words_of(BIOS).get_vocab_size(), linear))


def test_a_rate_that_explodes_is_named() -> None:
    model = build_model(GPT2, words_of(BIOS).get_vocab_size(), 64, seed=0)
    with pytest.raises(UserError, match="Lower the extraction's lr"):
        held(model, Extraction(lr=1e30, epochs=3))
