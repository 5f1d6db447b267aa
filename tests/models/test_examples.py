"""The example models in studies/models/: causal, counted once, and what they say they are."""

from pathlib import Path

import pytest
import torch
from knowledge_capacity.models import trial
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.specs import Architecture, PythonModel
from torch import Tensor, nn

EXAMPLES = Path(__file__).parents[2] / "studies/models"
VOCABULARY, WINDOW = 37, 24
NAMES = ("block.py:build", "canon.py:canon", "looped.py:looped")


def example(name: str, **arguments: int) -> nn.Module:
    return build_model(PythonModel(f"{EXAMPLES}/{name}", arguments), VOCABULARY, WINDOW, seed=0)


def some_tokens() -> Tensor:
    return torch.randint(VOCABULARY, (2, WINDOW), generator=torch.Generator().manual_seed(1))


def decoder_of(model: nn.Module) -> Decoder:
    assert isinstance(model, nn.Sequential)
    assert isinstance(model[0], Decoder)
    return model[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_passes_the_trial_at_any_length(name: str) -> None:
    model = example(name, width=10)
    assert model(some_tokens()).shape == (2, WINDOW, VOCABULARY)
    assert trial.check_model(model, name, VOCABULARY, (3, WINDOW, 2 * WINDOW), trained=False) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_later_token_changes_no_earlier_logit(name: str) -> None:
    model, tokens = example(name), some_tokens()
    with torch.no_grad():
        before = model(tokens)
        tokens[:, 11] = (tokens[:, 11] + 1) % VOCABULARY
        moved = (model(tokens) - before).abs().amax(dim=(0, 2))
    assert moved[:11].max() == pytest.approx(0, abs=1e-6)
    assert (moved[11:14] > 1e-5).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_has_a_gradient(name: str) -> None:
    model, tokens = example(name), some_tokens()
    loss = nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    for weight, parameter in model.named_parameters():
        assert parameter.grad is not None, weight
        assert parameter.grad.abs().max() > 0, weight


def test_canon_of_zero_kernels_is_gpt2() -> None:
    model = example("canon.py:canon", width=12, mlp_width=20)
    weights = decoder_of(model).state_dict()
    kernels = {name for name in weights if ".kernel." in name}
    assert len(kernels) == 2 * 4
    with torch.no_grad():
        for name in kernels:
            weights[name].zero_()
    plain = Decoder(Architecture(layers=2, heads=1, width=12, mlp_width=20), VOCABULARY, WINDOW)
    plain.load_state_dict({name: weight for name, weight in weights.items() if name not in kernels})
    torch.testing.assert_close(model(some_tokens()), plain(some_tokens()))


def test_canon_sees_four_tokens() -> None:
    model = decoder_of(example("canon.py:canon"))
    kernel = model.layers[0].get_submodule("attention.a")
    x = torch.zeros(1, 9, 16)
    x[0, 2] = 1.0
    added = kernel(x) - x
    assert [bool(added[0, t].any()) for t in range(9)] == [t in (2, 3, 4, 5) for t in range(9)]


def test_loops_share_their_weights_and_p_counts_them_once() -> None:
    once, four = (example("looped.py:looped", loops=loops) for loops in (1, 4))
    plain = build_model(Architecture(layers=1, heads=1, width=16), VOCABULARY, WINDOW, seed=0)
    assert n_parameters(four, 30) == n_parameters(once, 30) == n_parameters(plain, 30)
    assert len(decoder_of(four).layers) == 4
    assert not torch.allclose(once(some_tokens()), four(some_tokens()))


def test_the_page_about_ones_own_model_shows_the_block_in_full() -> None:
    code = (EXAMPLES / "block.py").read_text().split('"""\n\n', 1)[1]
    page = (EXAMPLES.parents[1] / "docs/your-own-model.md").read_text()
    assert f"```python\n{code}```" in page
