"""GPTQ: against the library's own entry point, against rounding to nearest, and on every kind of model."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.run_workflow import TIMEOUT
from knowledge_capacity import layout
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.reading import read_data
from knowledge_capacity.data.stream import Lane
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.quantization import gptq, gptq_data, rtn, variants
from knowledge_capacity.specs import (
    Afterwards,
    AnyArchitecture,
    Architecture,
    BioS,
    Junk,
    PythonModel,
    Quantizer,
    Recipe,
    Run,
    TransformersModel,
    cell_to_json,
)
from torch import Tensor, nn

DATASET = BioS(n_people=40, templates=2)
RECIPE = Recipe(exposures=1, lr=1e-3, window=32)
INT3 = Quantizer(3, "gptq", calibration_people=25)
GROUPED = Quantizer(4, "gptq", group_size=5, zero_point=True, matrices="all")
Outside = set[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with people and tokenizer."""
    folder = tmp_path_factory.mktemp("data")
    people.write_people(folder / layout.people_file(DATASET, 0), DATASET, 0)
    file = folder / layout.tokenizer_file(DATASET)
    tokenizer.write_tokenizer(file.parent, tokenizer.make_word_tokenizer(corpus.vocabulary_texts(DATASET)))
    return folder


def saved(data: Path, architecture: AnyArchitecture) -> variants.CalibrationSource:
    """A run whose weights are larger than at the start of training, so that its layers do something."""
    run = Run(DATASET, architecture, RECIPE, 0)
    model = build_model(architecture, vocabulary(data), RECIPE.window, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    store.write_model(data / layout.run_folder(run), model, run, 0)
    return variants.CalibrationSource(run, data)


def vocabulary(data: Path) -> int:
    return int(tokenizer.read_tokenizer(data / layout.tokenizer_file(DATASET)).get_vocab_size())


def heard() -> list[str]:
    return []


@pytest.mark.parametrize("group_size", [0, 4])
@pytest.mark.parametrize("bits", [2, 4])
def test_it_is_nearer_in_outputs_than_rounding_to_nearest(bits: int, group_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(4, 12, generator=generator)  # twelve inputs that are made of four
    inputs = torch.randn(300, 4, generator=generator) @ mixing
    inputs += 0.1 * torch.randn(300, 12, generator=generator)
    weight = torch.randn(8, 12, generator=generator)
    hessian = (inputs.t() @ inputs)[None]
    found = gptq.quantize_stack(weight[None], hessian, Quantizer(bits, "gptq", group_size))[0]
    plain = rtn.quantize_matrix(weight, Quantizer(bits, "rtn", group_size))[0]
    error, of_plain = (float((inputs @ (w - weight).t()).norm()) for w in (found, plain))
    assert error < 0.8 * of_plain
    assert float((found - weight).norm()) > 0.5 * float((plain - weight).norm())  # not by nearer weights


def test_inputs_that_nothing_is_known_of_leave_weights_to_be_rounded() -> None:
    weight = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    hessian = torch.zeros(2, 4, 4)
    hessian[0] = torch.diag(torch.tensor([1.0, 2.0, 0.0, 3.0]))  # the second expert sees no token at all
    found = gptq.quantize_stack(weight, hessian, Quantizer(8, "gptq"))
    torch.testing.assert_close(found, weight, atol=0.03, rtol=0)


def test_it_is_what_the_library_makes_of_a_model(tmp_path: Path) -> None:
    from llmcompressor import oneshot  # type: ignore[attr-defined]
    from llmcompressor.modifiers.gptq import GPTQModifier
    from loguru import logger
    from torch.utils.data import DataLoader
    from transformers import LlamaConfig, LlamaForCausalLM

    shape: Any = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
    }
    torch.manual_seed(1)
    ours = LlamaForCausalLM(LlamaConfig(vocab_size=30, use_cache=False, initializer_range=0.5, **shape))
    ours.save_pretrained(tmp_path)
    theirs = LlamaForCausalLM.from_pretrained(tmp_path)
    quantizer = Quantizer(3, "gptq", group_size=8)
    tokens = torch.randint(0, 30, (4, 32), generator=torch.Generator().manual_seed(2))
    names = {f"{n}.weight" for n, m in ours.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"}
    gptq.quantize_sites(ours, gptq.find_sites(ours, names), [tokens], quantizer)
    weights = gptq._quantization_arguments(quantizer, "group", group_size=8)
    groups = {"all": {"targets": ["Linear"], "weights": weights}}
    recipe = GPTQModifier(config_groups=groups, ignore=["lm_head"])
    rows: Any = [{"input_ids": row} for row in tokens]
    batches: Any = DataLoader(rows)
    logger.level("METRIC", no=5)  # which it makes when it is not told to be quiet
    unused: Any = object()  # it asks for a tokenizer, and these are tokens
    oneshot(model=theirs, processor=unused, dataset=batches, recipe=recipe, pipeline="basic")
    expected = dict(theirs.named_parameters())
    assert len(names) == 7
    for name in names:
        torch.testing.assert_close(ours.get_parameter(name), expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("quantizer", [INT3, GROUPED], ids=lambda q: q.slug)
@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gpt2-moe", "llama-tied", "gpt2-no-mlp"])
def test_every_family_is_quantised_on_its_grid(data: Path, family: Any, quantizer: Quantizer) -> None:
    architecture = Architecture(layers=2, heads=4, width=16, family=family)
    source = saved(data, architecture)
    weights, outside = store.quantizable_weights(source.model)
    found, stored = variants.quantize(weights, outside, quantizer, source, heard().append)
    plain, _ = variants.quantize(
        weights, outside, Quantizer(quantizer.bits, "rtn", matrices=quantizer.matrices), None
    )
    assert found.keys() == plain.keys()
    assert 0 < stored < 32
    assert not any("norm" in name or variants.ROUTER.search(name) for name in found)
    for name, matrix in found.items():
        assert matrix.shape == weights[name].shape
        assert not torch.equal(matrix, weights[name])
        for group in matrix.split(quantizer.group_size or matrix.shape[1], dim=1):
            assert all(len(row.unique()) <= 2**quantizer.bits for row in group), name
    model = store.load_model(source.model, architecture, len(weights[min(outside)]), 32, weights | found)
    assert model(torch.arange(10)[None]).isfinite().all()


def test_layers_are_calibrated_on_what_quantised_ones_before_give(data: Path) -> None:
    """And the last layer's outputs are nearer for it than with rounding to nearest."""
    architecture = Architecture(layers=3, heads=2, width=16)
    source = saved(data, architecture)
    weights, outside = store.quantizable_weights(source.model)
    found, _ = variants.quantize(weights, outside, INT3, source)
    plain, _ = variants.quantize(weights, outside, Quantizer(3), None)
    _, stream = gptq_data.load_model_and_stream(source)
    tokens = gptq_data.calibration_batches(stream, INT3, 32, print)[0].long()

    def logits(matrices: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            return store.load_model(source.model, architecture, vocabulary(data), 32, weights | matrices)(
                tokens
            )

    full = logits({})
    assert float((logits(found) - full).norm()) < 0.9 * float((logits(plain) - full).norm())


def test_calibration_is_the_first_biographies_of_training(data: Path) -> None:
    _, stream = gptq_data.load_model_and_stream(saved(data, Architecture(layers=1, heads=1, width=8)))
    said = heard()
    batches = gptq_data.calibration_batches(stream, replace(INT3, calibration_people=7), 32, said.append)
    tokens, _ = stream.tokens(stream.pieces(0, 7))
    joined = torch.cat([batch.flatten() for batch in batches])
    assert joined[0] == stream.end_token
    assert torch.equal(joined[1:], tokens[:-1])
    assert {batch.shape[1] for batch in batches[:-1]} == {32}
    assert not said
    everybody = gptq_data.calibration_batches(stream, Quantizer(3, "gptq"), 32, said.append)
    assert sum(batch.numel() for batch in everybody) == len(stream.tokens(stream.pieces(0, 40))[0])
    assert said == ["calibration on all 40 people, since there are no 1000"]


def test_calibration_may_see_others_junk_or_random_tokens(data: Path) -> None:
    run = saved(data, Architecture(layers=1, heads=1, width=8)).run
    junk = Junk(people=60)
    with_junk = replace(run, recipe=replace(run.recipe, junk=junk))
    stream, _ = read_data(with_junk, data)
    seen = {}
    for whose in ("people", "others", "junk", "random"):
        quantizer = replace(INT3, calibration=whose, calibration_people=20)
        batches = gptq_data.calibration_batches(stream, quantizer, 32, print)
        seen[whose] = torch.cat([batch.flatten() for batch in batches])
        again = gptq_data.calibration_batches(stream, quantizer, 32, print)
        assert torch.equal(torch.cat([batch.flatten() for batch in again]), seen[whose])

    def names(tokens: Tensor) -> set[tuple[int, ...]]:
        """What stands after the ends of texts."""
        ends = (tokens[:-3] == stream.end_token).nonzero().flatten().tolist()
        return {tuple(tokens[end + 1 : end + 4].tolist()) for end in ends}

    everybody = names(stream.tokens(stream.pieces(0, 400))[0])
    of_junk = names(stream.tokens(stream.pieces(0, 600, Lane.JUNK))[0])
    assert len(everybody) == 40
    assert len(of_junk) == 60
    assert names(seen["people"]) <= everybody
    assert names(seen["junk"]) <= of_junk
    others = names(seen["others"])
    assert len(others) == 20
    assert not others & (everybody | of_junk)
    assert len(seen["random"]) == len(seen["people"])
    assert set(seen["random"].tolist()) <= set(stream.possible_tokens().tolist())
    assert len(set(seen["random"].tolist())) > len(set(seen["people"].tolist()))


def test_others_are_not_those_with_whom_training_went_on(data: Path) -> None:
    run = saved(data, Architecture(layers=1, heads=1, width=8)).run
    then = Afterwards(people=60, exposures=10)
    stream, _ = read_data(replace(run, recipe=replace(run.recipe, afterwards=then)), data)
    own = run.recipe.exposures * 40
    told = {tuple(row) for row in stream.pieces(0, own + 600)[:, :3].tolist()}
    assert len(told) == stream.n_people_told == 40 + 60
    quantizer = replace(INT3, calibration="others", calibration_people=20)
    tokens = torch.cat([one.flatten() for one in gptq_data.calibration_batches(stream, quantizer, 32, print)])
    ends = (tokens[:-3] == stream.end_token).nonzero().flatten().tolist()
    seen = {tuple(tokens[end + 1 : end + 4].tolist()) for end in ends}
    texts, lengths = stream.tokens(stream.pieces(0, own + 600))
    begins = (lengths.cumsum(0) - lengths).tolist()
    assert not seen & {tuple(texts[begin : begin + 3].tolist()) for begin in begins}


@pytest.mark.slow
def test_the_script_gives_the_same_file_twice_and_in_any_order(data: Path) -> None:
    source = saved(data, Architecture(layers=2, heads=1, width=8))
    weights, outside = store.quantizable_weights(source.model)
    variants.write_variants(
        data / "one.safetensors", weights, outside, [INT3, GROUPED], source, heard().append
    )
    script = Path(__file__).parents[2] / "scripts" / "quantize.py"
    quantizers = json.dumps([asdict(GROUPED), asdict(INT3)])
    command = [sys.executable, str(script), "--cell", cell_to_json([source.run]), "--results", str(data)]
    command += ["--quantizers", quantizers]
    (data / layout.record_file(source.run)).write_text("{}")
    done = subprocess.run(command, check=True, timeout=TIMEOUT, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""  # the libraries' warnings are left out
    one = variants.read_variants(data / "one.safetensors")
    two = variants.read_variants(data / layout.variants_file(source.run, "gptq"))
    assert one.keys() == two.keys()
    for name, variant in one.items():
        assert variant.bits_per_weight == two[name].bits_per_weight
        assert all(torch.equal(m, two[name].matrices[n]) for n, m in variant.matrices.items())


def test_models_from_elsewhere(data: Path) -> None:
    looped = saved(data, PythonModel("studies/models/looped.py:looped"))
    qwen = saved(
        data,
        TransformersModel(
            "Qwen3Config",
            {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
             "head_dim": 8, "intermediate_size": 24},
        ),
    )  # fmt: skip
    for source in (looped, qwen):
        weights, outside = store.quantizable_weights(source.model)
        found, _ = variants.quantize(weights, outside, INT3, source)
        assert set(found) == set(variants.quantizable_names(weights, outside))
        for matrix in found.values():
            assert all(len(row.unique()) <= 8 for row in matrix)


def test_matrices_that_are_not_of_linear_layers_are_refused(data: Path) -> None:
    fields = {"n_embd": 16, "n_layer": 1, "n_head": 2}
    source = saved(data, TransformersModel("GPT2Config", fields))
    weights, outside = store.quantizable_weights(source.model)
    with pytest.raises(
        UserError, match=r"sees only those of nn\.Linear: transformer\.h\.0\.attn\.c_attn\.weight belongs"
    ):
        variants.quantize(weights, outside, INT3, source)


def test_a_layer_that_is_passed_by_is_refused() -> None:
    class Passed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.layer = nn.Embedding(30, 16), nn.Linear(16, 30)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.embedding(tokens) @ self.layer.weight.t()

    model = Passed()
    with pytest.raises(UserError, match="layer was not called on the calibration data"):
        gptq.quantize_sites(model, gptq.find_sites(model, {"layer.weight"}), [torch.ones(1, 4).long()], INT3)
