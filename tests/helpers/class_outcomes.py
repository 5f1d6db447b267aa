"""What becomes of each class of transformers at tiny size: tried, saved, and read again by transformers.

Run as a script, it writes results/published/model_classes.json, from which `make pages` renders the table of
docs/model-classes.md; PART/PARTS as its argument, for the classes of a part alone.
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published/model_classes.json"
VOCABULARY, LENGTHS, MOST = 60, (9, 17, 24), 300_000
REASON = 150  # letters of a reason
LARGE = "with small numbers in all fields that are sizes, {:,} parameters are left"


def class_outcome(name: str) -> dict[str, Any]:
    """The class, how many parameters its tiny model has, and why it does not work; no reason where it does."""
    import torch
    from helpers.tiny_classes import tiny_fields
    from knowledge_capacity.files import UserError
    from knowledge_capacity.models import configurations, trial
    from knowledge_capacity.models.build import build_model
    from knowledge_capacity.specs import TransformersModel

    warnings.simplefilter("ignore")
    size, reason = 0, None
    try:
        spec = configurations.settle_architecture(TransformersModel(name, tiny_fields(name))).architecture
        with torch.device("meta"):
            size = sum(p.numel() for p in build_model(spec, VOCABULARY, LENGTHS[-1], 0).parameters())
        if size > MOST:
            raise UserError(f"{name}: {LARGE.format(size)}.")
        trial.check_model(build_model(spec, VOCABULARY, LENGTHS[-1], 0), name, VOCABULARY, LENGTHS, False)
        _check_saving(spec)
    except UserError as error:
        reason = str(error).removeprefix(f"{name}: ").replace("<", "‹")[:REASON]
    return {"class": name, "parameters": size, "reason": reason}


def _check_saving(spec: Any) -> None:
    """Raise UserError where the run of a model is not what transformers reads."""
    import torch
    from knowledge_capacity.files import UserError
    from knowledge_capacity.models import store
    from knowledge_capacity.models.build import build_model
    from knowledge_capacity.models.loss import logits
    from knowledge_capacity.specs import BioS, Recipe, Run
    from transformers import AutoModelForCausalLM

    run = Run(BioS(n_people=10), spec, Recipe(exposures=1, lr=1e-3, window=LENGTHS[-1]), seed=0)
    model = build_model(spec, VOCABULARY, LENGTHS[-1], 0).eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        store.write_model(Path(folder), model, run, end_token=2)
        text = torch.arange(24).view(2, 12)
        wanted = logits(model, text)
        again = store.load_model(
            Path(folder),
            spec,
            VOCABULARY,
            LENGTHS[-1],
            store.read_weights(Path(folder) / "model.safetensors"),
        )
        if not torch.equal(logits(again, text), wanted):
            raise UserError("its saved run has other logits.")
        try:
            theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
            found = logits(theirs, text)
        except Exception as error:  # whatever transformers raises
            raise UserError(
                f"transformers does not read its runs ({type(error).__name__}: {error})."
            ) from error
        if not torch.allclose(found, wanted, atol=1e-5):
            raise UserError("transformers reads other logits from its runs.")


def list_part(part: int, parts: int) -> list[str]:
    """The names of the classes of a part."""
    from helpers.tiny_classes import list_classes

    return list_classes()[part::parts]


def main(arguments: Sequence[str]) -> None:
    """Write the outcomes of all classes, or print those of a part."""
    part, _, parts = (arguments[0] if arguments else "0/1").partition("/")
    found = []
    for name in list_part(int(part), int(parts)):
        found.append(class_outcome(name))
        print(found[-1], file=sys.stderr, flush=True)
    if parts == "1":
        PUBLISHED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]
    main(sys.argv[1:])
