"""Measuring one variant of a run: from the losses of a model to a row of measurements."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.pieces import Term
from ..specs import FULL_PRECISION, Architecture, Biography, RandomStrings, Run, to_json
from . import losses as scoring
from .intervals import bootstrap_total
from .metric import biod_bits, bios_bits, random_bits

DATA_LIMITED = 0.9  # a run with R at or above this share of R_max measures its dataset, not its capacity


@dataclass(frozen=True)
class Variant:
    """What is measured of a run: name, storage, losses as `losses.score` gives them, seconds to get them."""

    name: str
    bits_per_weight: float
    losses: NDArray[np.float64]
    seconds: float
    spec: str | None = None
    quantized: list[str] | None = None


def row(run: Run, record: dict[str, Any], n_parameters: int, variant: Variant, code: str) -> dict[str, Any]:
    """One measurement. record: the run's run.json. code: fingerprint of the code that measures."""
    dataset = run.dataset
    naive_gain = np.zeros(dataset.n_people)
    loss_value1 = None
    if isinstance(dataset, Biography):
        by_attribute, naive = scoring.bios_losses(variant.losses)
        value = np.sum([by_attribute[name] for name in scoring.COUNTED], axis=0)
        loss_value = float(np.mean(value))
        bits = bios_bits(dataset, by_attribute["name"], value)
        naive_gain = (by_attribute["employer"] - naive) / np.log(2)
    elif isinstance(dataset, RandomStrings):
        by_attribute = {"name": variant.losses[:, :, Term.NAME].mean(axis=0)}
        bits = random_bits(dataset, by_attribute["name"])
        loss_value = 0.0
    else:
        by_attribute = scoring.biod_losses(variant.losses, dataset.attributes)
        bits = biod_bits(dataset, by_attribute["name"], by_attribute["value"], by_attribute["value1"])
        loss_value = float(by_attribute["value"].mean())
        loss_value1 = float(by_attribute["value1"].mean())
    low, high = bootstrap_total(bits.per_person)
    return {
        **_described(run, record, n_parameters, code),
        "variant": variant.name,
        "variant_spec": variant.spec,
        "quantized": variant.quantized,
        "bits_per_weight": variant.bits_per_weight,
        "people_scored": variant.losses.shape[1],
        "measure_seconds": variant.seconds,
        "loss_name": float(by_attribute["name"].mean()),
        "loss_value": loss_value,
        "loss_value1": loss_value1,
        "loss_by_attribute": [(name, float(loss.mean())) for name, loss in by_attribute.items()],
        "bits_name": float(bits.name.sum()),
        "bits_value": float(bits.value.sum()),
        "bits_sets": float(bits.sets.sum()),
        "bits_learned": bits.total,
        "bits_learned_low": low,
        "bits_learned_high": high,
        "bits_learned_naive": bits.total + float(naive_gain.sum()),
        "capacity_ratio": bits.total / n_parameters,
        "data_limited": bits.total >= DATA_LIMITED * dataset.bits_max,
    }


def diverged_row(run: Run, record: dict[str, Any], n_parameters: int, code: str) -> dict[str, Any]:
    """The row of a run that diverged: what it was and what it cost, and no result."""
    return {**_described(run, record, n_parameters, code), "variant": FULL_PRECISION, "bits_per_weight": 32.0}


def _described(run: Run, record: dict[str, Any], n_parameters: int, code: str) -> dict[str, Any]:
    """What was run, what it cost and where it came from."""
    dataset, architecture, recipe = run.dataset, run.architecture, run.recipe
    decoder = architecture if isinstance(architecture, Architecture) else None
    return {
        "run": run.slug,
        "dataset": dataset.slug,
        "kind": dataset.kind,
        "n_people": dataset.n_people,
        "dataset_spec": to_json(dataset),
        "architecture": architecture.slug,
        "architecture_spec": to_json(architecture),
        "family": architecture.family,
        "layers": decoder.layers if decoder else None,
        "heads": decoder.heads if decoder else None,
        "width": decoder.width if decoder else None,
        "recipe": recipe.slug,
        "recipe_spec": to_json(recipe),
        "exposures": recipe.exposures,
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "batch_size": recipe.batch_size,
        "window": recipe.window,
        "warmup_steps": recipe.warmup_steps,
        "junk_share": recipe.junk.share if recipe.junk else 0.0,
        "junk_people": recipe.junk.people if recipe.junk else 0,
        "junk_windows": recipe.junk.windows if recipe.junk else None,
        "domain_token": recipe.junk.domain_token if recipe.junk else "none",
        "optimizer": recipe.optimizer,
        "precision": record["precision"],
        "seed": run.seed,
        "diverged": record.get("diverged"),
        "n_parameters": n_parameters,
        "used_tokens": record["used_tokens"],
        "bits_max": dataset.bits_max,
        "capacity_ratio_max": dataset.bits_max / n_parameters,
        "routing_dropped": record.get("routing_dropped"),
        "train_steps": record["steps"],
        "train_tokens": record["tokens"],
        "train_seconds": record["seconds"],
        "train_flops": 6.0 * n_parameters * record["tokens"],
        "device": record["device"],
        "engine": record["engine"],
        "train_code": record["code"],
        "capacity_code": code,
        "python": record["python"],
        "torch": record["torch"],
        "trained_at": record["trained_at"],
    }
