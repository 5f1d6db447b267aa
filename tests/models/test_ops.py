"""Fused kernels: the values and gradients of plain torch, at every shape and number of threads."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers.run_workflow import TIMEOUT
from hypothesis import example, given
from hypothesis import strategies as st
from knowledge_capacity.models import native, ops
from torch import Tensor

LIBRARY = Path(__file__).parents[2] / "scripts"
WIDTHS = st.sampled_from([8, 12, 16, 17, 33, 64, 100])  # of fewer numbers a norm is ill-conditioned
BIASED = st.booleans()
KINDS = st.sampled_from(["gelu", "silu"])
needs_kernels = pytest.mark.skipif(not native.is_available(), reason=native.unavailable_reason())


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def numbers(*shape: int, seed: int = 0, spread: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return (torch.randn(shape, generator=generator) * spread).requires_grad_()


def results(op: Callable[..., Tensor | tuple[Tensor, ...]], inputs: list[Tensor | None]) -> list[Tensor]:
    """Outputs of an operation and the gradients of its inputs, of a sum with fixed random weights."""
    outputs = op(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    weights = [numbers(*out.shape, seed=i).detach().to(out.dtype) for i, out in enumerate(outputs)]
    total = torch.stack([(out * weight).sum() for out, weight in zip(outputs, weights, strict=True)]).sum()
    leaves = [x for x in inputs if x is not None and x.requires_grad]
    return [*outputs, *torch.autograd.grad(total, leaves)]


def check(op: Callable[..., Tensor | tuple[Tensor, ...]], *inputs: Tensor | None) -> None:
    """Equal bits twice; close to plain torch in float64, relative to the largest value of each result."""
    doubles = [None if x is None else x.detach().double().requires_grad_(x.requires_grad) for x in inputs]
    found, again, right = results(op, [*inputs]), results(op, [*inputs]), results(op, [*doubles])
    for one, two, exact in zip(found, again, right, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, two)
        scale = max(1.0, float(exact.detach().abs().max()))
        torch.testing.assert_close(one.double(), exact, rtol=0, atol=4e-6 * scale)


@given(n=st.integers(1, 200), width=WIDTHS, biased=BIASED)
def test_norm(n: int, width: int, biased: bool) -> None:
    bias = numbers(width, seed=2) if biased else None
    check(ops.norm, numbers(n, width), numbers(width, seed=1), bias)


@given(n=st.integers(1, 200), width=WIDTHS, biased=BIASED, update_biased=BIASED)
def test_add_norm(n: int, width: int, biased: bool, update_biased: bool) -> None:
    update_bias = numbers(width, seed=2) if update_biased else None
    bias = numbers(width, seed=3) if biased else None
    inputs = numbers(n, width), numbers(n, width, seed=1), update_bias, numbers(width, seed=4), bias
    check(ops.add_norm, *inputs)


@given(n=st.integers(1, 200), width=WIDTHS, kind=KINDS, biased=BIASED)
def test_activate(n: int, width: int, kind: str, biased: bool) -> None:
    bias = numbers(width, seed=1) if biased else None
    check(lambda x, b: ops.apply_activation(x, kind, b), numbers(n, width, spread=3), bias)


@given(n=st.integers(1, 200), half=WIDTHS, kind=KINDS)
def test_gate(n: int, half: int, kind: str) -> None:
    check(lambda x: ops.gated_activation(x, kind), numbers(n, 2 * half, spread=3))


@pytest.mark.parametrize("kind", ["gelu", "silu"])
def test_activations_from_end_to_end(kind: str) -> None:
    x = torch.linspace(-100, 100, 400_001)
    found, exact = ops.apply_activation(x, kind), ops.apply_activation(x.double(), kind)
    error = (found.double() - exact).abs() / x.abs().clamp(min=1)
    assert float(error.max()) < 5e-7


@given(
    batch=st.integers(1, 3),
    window=st.integers(1, 150),
    groups=st.integers(1, 3),
    share=st.integers(1, 3),
    head=st.sampled_from([2, 6, 8, 12, 16, 20, 64]),
    part=st.sampled_from([0.25, 0.5, 1.0]),
    biased=BIASED,
)
@example(batch=2, window=128, groups=1, share=1, head=16, part=0.25, biased=True)
@example(batch=1, window=97, groups=2, share=3, head=64, part=1.0, biased=False)
def test_attention(
    batch: int, window: int, groups: int, share: int, head: int, part: float, biased: bool
) -> None:
    heads, rotated = groups * share, max(2, int(head * part) // 2 * 2)
    width = (heads + 2 * groups) * head
    angle = torch.outer(torch.arange(window, dtype=torch.float), 0.3 ** torch.arange(rotated // 2))
    cos, sin = (torch.cat([table, table], dim=1) for table in (angle.cos(), angle.sin()))
    bias = numbers(width, seed=1) if biased else None

    def attend(joint: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None) -> Tensor:
        return ops.attention(joint, cos, sin, heads, groups, bias)

    check(attend, numbers(batch, window, width), cos, sin, bias)


@given(
    n=st.integers(1, 300),
    width=WIDTHS,
    size=st.sampled_from([2, 5, 16, 150, 1000, 3275]),
    ignored=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_linear_cross_entropy(n: int, width: int, size: int, ignored: float) -> None:
    generator = torch.Generator().manual_seed(n)
    targets = torch.randint(size, (n,), generator=generator)
    targets[torch.rand(n, generator=generator) < ignored] = -100

    def loss(hidden: Tensor, weight: Tensor) -> Tensor:
        return ops.linear_cross_entropy(hidden, weight, targets)

    def reference(hidden: Tensor, weight: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(hidden @ weight.t(), targets, reduction="sum")

    inputs: list[Tensor | None] = [numbers(n, width), numbers(size, width, spread=width**-0.5)]
    doubles: list[Tensor | None] = [x.detach().double().requires_grad_() for x in inputs if x is not None]
    found, again, right = results(loss, inputs), results(loss, inputs), results(reference, doubles)
    for one, two, exact in zip(found, again, right, strict=True):
        assert torch.equal(one, two)
        scale = max(1.0, float(exact.detach().abs().max()))
        torch.testing.assert_close(one.double(), exact, rtol=0, atol=4e-6 * scale)
    with torch.no_grad():
        assert torch.equal(loss(*[x for x in inputs if x is not None]), found[0])


@pytest.mark.parametrize("size", [64, 77, 128, 1000])
def test_rows_added_to_a_head_in_16_bits_belong_to_no_token(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    targets = torch.arange(500) % size
    targets[:9] = -100
    inputs: list[Tensor | None] = [numbers(500, 16), numbers(size, 16)]

    def loss(hidden: Tensor, weight: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return ops.linear_cross_entropy(hidden, weight, targets)

    padded = results(loss, inputs)
    assert ops.pad_rows(torch.ones(size, 16, dtype=torch.bfloat16)).shape == (-(-size // 64) * 64, 16)
    assert ops.pad_rows(torch.ones(size, 16)).shape == (size, 16)
    monkeypatch.setattr(ops, "ALIGNED", 1)
    for one, other in zip(padded, results(loss, inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)


@needs_kernels
def test_results_do_not_depend_on_threads(threads: int) -> None:
    joint, table = numbers(3, 70, 96), numbers(70, 8).detach()
    targets = torch.arange(500) % 77

    def everything() -> list[Tensor]:
        attended = results(lambda x: ops.attention(x, table, table, 2, 2), [joint])
        normed = results(ops.norm, [numbers(500, 16), numbers(16), numbers(16, seed=1)])
        activated = results(lambda x, b: ops.apply_activation(x, "gelu", b), [numbers(500, 16), numbers(16)])
        return attended + normed + activated

    found = everything()
    torch.set_num_threads(1)
    assert all(torch.equal(one, two) for one, two in zip(found, everything(), strict=True))
    torch.set_num_threads(threads)
    inputs: list[Tensor | None] = [numbers(500, 16), numbers(77, 16)]
    for one in results(lambda h, w: ops.linear_cross_entropy(h, w, targets), inputs):
        assert bool(one.isfinite().all())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("op", ["norm", "activate", "gate", "attention", "loss"])
def test_what_is_no_number_is_noticed(op: str, value: float) -> None:
    x, table = numbers(1, 40, 48).detach(), torch.full((40, 4), 0.5)
    x[0, 20, 7] = value
    operations: dict[str, Callable[[], Tensor]] = {
        "norm": lambda: ops.norm(x, torch.ones(48), torch.zeros(48)),
        "activate": lambda: ops.apply_activation(x, "gelu"),
        "gate": lambda: ops.gated_activation(x, "silu"),
        "attention": lambda: ops.attention(x, table, table, 1, 1),
        "loss": lambda: x[0],
    }
    hidden = operations[op]().flatten(0, -2)
    loss = ops.linear_cross_entropy(hidden, numbers(30, hidden.shape[1]), torch.arange(40) % 30)
    assert not bool(loss.isfinite()) or (op in ("activate", "gate") and value == float("-inf"))


def test_targets_that_are_no_token_are_refused() -> None:
    for wrong in (-1, 5):
        with pytest.raises((IndexError, RuntimeError)):
            ops.linear_cross_entropy(numbers(2, 4), numbers(5, 4), torch.tensor([1, wrong]))


def test_inputs_need_not_be_contiguous() -> None:
    check(lambda x: ops.apply_activation(x.transpose(0, 1), "gelu"), numbers(5, 40))
    check(lambda x, w: ops.norm(x.transpose(0, 1), w, w), numbers(16, 40), numbers(16))


def test_transforms_compilers_and_second_derivatives() -> None:
    x = numbers(3, 8)
    mapped = torch.func.vmap(lambda row: ops.apply_activation(row, "gelu"))(x)
    torch.testing.assert_close(mapped, ops.apply_activation(x, "gelu"))
    (first,) = torch.autograd.grad(ops.apply_activation(x, "gelu").sum(), x, create_graph=True)
    if native.is_available():
        with pytest.raises(RuntimeError):
            torch.autograd.grad(first.sum(), x)


def run(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """A process that builds kernels below `folder` and says whether it has them, and why not."""
    code = (
        "import sys, pathlib, torch\n"
        "from knowledge_capacity.models import native, ops\n"
        f"native.CACHE = pathlib.Path({str(folder)!r})\n"
        "x = torch.linspace(-3, 3, 50)\n"
        "total = float(ops.apply_activation(x, 'gelu').sum())\n"
        "print(native.is_available(), '|', native.unavailable_reason(), '|', total)\n"
    )
    own = {"PYTHONPATH": str(LIBRARY), "OMP_NUM_THREADS": "1", "KNOWLEDGE_CAPACITY_NATIVE": ""}
    env = {**os.environ, **own, **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    return [part.strip() for part in out.split("|")]


@pytest.mark.slow
@needs_kernels
def test_two_processes_may_build_at_once(tmp_path: Path) -> None:
    both = [run(tmp_path / "cache") for _ in range(2)]
    assert [said(process)[0] for process in both] == ["True", "True"]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.slow
@needs_kernels
def test_flags_of_the_environment_build_a_library_of_their_own(tmp_path: Path) -> None:
    plain = run(tmp_path)
    assert said(plain)[0] == "True"
    for flag, found in (("-fno-tree-vectorize", "True"), ("-no-such-flag", "False")):
        assert said(run(tmp_path, KNOWLEDGE_CAPACITY_CXXFLAGS=flag))[0] == found
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"CXX": "/nowhere/c++"}, "there is no C++ compiler /nowhere/c++"),
        ({"CXX": "false"}, "returned"),
        ({"KNOWLEDGE_CAPACITY_NATIVE": "0"}, "KNOWLEDGE_CAPACITY_NATIVE is 0"),
    ],
)
def test_without_kernels_plain_torch_computes_the_same(
    tmp_path: Path, environment: dict[str, str], why: str
) -> None:
    found, reason, value = said(run(tmp_path, **environment))
    assert found == "False"
    assert why in reason
    here = float(ops.apply_activation(torch.linspace(-3, 3, 50), "gelu").sum())
    assert float(value) == pytest.approx(here, abs=1e-4)
