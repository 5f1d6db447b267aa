"""The paper's own points: each is one model of the paper, and knows no more than there is."""

import pytest
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.specs import Architecture, BioS
from knowledge_capacity.specs.paper_points import POINTS, TOKENS, PaperPoint

# layers-heads of all models of the paper's figure 1(a)
GRID = """2-2 3-2 4-2 5-2 2-3 6-2 7-2 8-2 4-3 2-4 5-3 3-4 6-3 4-4 5-4 2-6 6-4 3-6 8-4 2-8 4-6 10-4 5-6 12-4 6-6 16-4 8-6
9-6 10-6 6-8 12-6 7-8 8-8 4-12 10-8 12-8 2-20 6-12 16-8 8-12 3-20 6-16 4-20 12-12 8-16 16-12 6-20 20-12 12-16 8-20 6-24
16-16 8-24 12-20 20-16 14-20 24-16 16-20 12-24 28-16""".split()


def count_parameters(layers: int, heads: int) -> int:
    """Of the paper's GPT-2, as the module says."""
    width = 64 * heads
    return 12 * layers * width**2 + 13 * layers * width + (2 + TOKENS) * width


@pytest.mark.parametrize("point", POINTS, ids=lambda one: f"{one.n_people}-{one.layers}-{one.heads}")
def test_layers_and_heads_follow_from_the_parameters(point: PaperPoint) -> None:
    away = {
        (layers, heads): abs(count_parameters(layers, heads) / point.n_parameters - 1)
        for layers, heads in (map(int, size.split("-")) for size in GRID)
    }
    assert away.pop((point.layers, point.heads)) < 0.0005
    assert min(away.values()) > 0.003


def test_the_formula_counts_the_models_that_are_trained_here() -> None:
    model = build_model(Architecture(2, 2, 128), TOKENS, 512, 0)
    assert n_parameters(model, TOKENS) == count_parameters(2, 2) == 816_000


def test_each_model_is_there_once_and_knows_no_more_than_there_is() -> None:
    assert len({point[:3] for point in POINTS}) == len(POINTS) == 40
    for point in POINTS:
        assert 0 < point.bits_learned < 1.01 * BioS(n_people=point.n_people).bits_max
