"""The rules of data cards: one for every dataset of a study, on request only."""

import json
from pathlib import Path

from workflow import SMOKE, copy_tree, planned, snakemake


def test_one_card_for_each_dataset_and_only_on_request(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    assert planned(folder, "data_cards", *SMOKE) == {
        "people": 2,
        "tokenizer": 2,
        "data_card": 2,
        "data_cards": 1,
    }
    snakemake(folder, "--cores", "2", "data_cards", *SMOKE)
    pages = list(folder.glob("results/data/*/card.html"))
    cards = [json.loads(path.with_suffix(".json").read_text()) for path in pages]
    assert {made["spec"]["kind"] for made in cards} == {"bioS", "bioD"}
    for path, made in zip(pages, cards, strict=True):
        assert made["slug"] == path.parent.name
        assert made["slug"] in path.read_text(encoding="utf-8")
    assert planned(folder, "data_cards", *SMOKE) == {}
    assert "data_card" not in planned(folder, *SMOKE)
