"""Measuring one variant of a run: from the losses of a model to a row of measurements."""

import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.pieces import Term
from ..files import UserError, remake_remedy, verify_checksum
from ..measurements.measurement_table import DATA_LIMITED
from ..measurements.spec_columns import describe_specs
from ..specs import FULL_BITS, FULL_PRECISION, Biography, Dataset, RandomStrings, Run, to_json
from ..statistics.bootstrap import bootstrap_total
from . import scoring
from .metric import Losses, biod_bits, bios_bits, random_bits

# what a run's run.json has to say
RECORDED = ["precision", "used_tokens", "steps", "tokens", "seconds", "device", "engine", "code"]
RECORDED += ["python", "torch", "trained_at"]


@dataclass(frozen=True)
class Variant:
    """What is measured of a run: name, storage, losses as `scoring.score_model` gives them, seconds to get them."""

    name: str
    bits_per_weight: float
    losses: NDArray[np.float64]
    seconds: float
    spec: str | None = None
    quantized: list[str] | None = None


@dataclass(frozen=True)
class Knowledge:
    """What losses say: nats by attribute and bits by attribute, one number for each person scored.

    losses: of bioD's "value" and "value1" the mean over a person's attributes. naive: bits of the employer
    without the care for the city of work, as in the paper; None where there is no employer.
    """

    losses: dict[str, Losses]
    bits: dict[str, Losses]
    naive: Losses | None = None

    @property
    def facts_right(self) -> float | None:
        """The share of biographies' values that is right where the model draws them; None for other data."""
        if self.naive is None:
            return None
        return float(np.mean([np.exp(-self.losses[name]) for name in self.bits if name != "name"]))

    @property
    def per_person(self) -> Losses:
        """All bits a person contributes."""
        return np.sum(list(self.bits.values()), axis=0)


def compute_knowledge(dataset: Dataset, losses: NDArray[np.float64]) -> Knowledge:
    """What the losses of `scoring.score_model` say about a dataset.

    bits: for biographies of the name and of each counted attribute, log2(choices / e^loss); for bioD in
    names, values and sets; for random strings in "name", the string.
    """
    if isinstance(dataset, Biography):
        by_attribute, naive = scoring.bios_losses(losses)
        name = bios_bits(dataset, by_attribute["name"], np.zeros(losses.shape[1])).name
        choices = dataset.choices
        values = {a: math.log2(choices[a]) - by_attribute[a] / math.log(2) for a in scoring.COUNTED}
        employer = math.log2(choices["employer"]) - naive / math.log(2)
        return Knowledge(by_attribute, {"name": name, **values}, employer)
    if isinstance(dataset, RandomStrings):
        loss = losses[:, :, Term.NAME].mean(axis=0)
        return Knowledge({"name": loss}, {"name": random_bits(dataset, loss).name})
    by_attribute = scoring.biod_losses(losses, dataset.attributes)
    bits = biod_bits(dataset, by_attribute["name"], by_attribute["value"], by_attribute["value1"])
    return Knowledge(by_attribute, {"name": bits.name, "value": bits.value, "sets": bits.sets})


def read_record(path: Path, run: Run) -> dict[str, Any]:
    """A run's run.json. Raises UserError where there is none, or a damaged one, or that of another run."""
    try:
        record = verify_checksum(json.loads(path.read_text()))
    except FileNotFoundError as error:
        reason = "there is no such file, so this run never came to its end"
        raise UserError(f"{path}: {reason}. Make it: snakemake --cores 1 {shlex.quote(str(path))}") from error
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not a readable record of a run ({error}). {remake_remedy(path)}") from error
    missing = [key for key in ("run", *RECORDED) if key not in record]
    if missing:
        raise UserError(f"{path}: a record of a run without {', '.join(missing)}. {remake_remedy(path)}")
    if record["run"] != json.loads(to_json(run)):
        raise UserError(f"{path}: belongs to another run than {run.slug}. {remake_remedy(path)}")
    return record


def measurement_row(
    run: Run, record: dict[str, Any], n_parameters: int, variant: Variant, code: str
) -> dict[str, Any]:
    """One measurement. record: the run's run.json. code: fingerprint of the code that measures.

    Where fewer than all people were scored, they stand for all: bits and their interval are scaled up.
    """
    dataset = run.dataset
    known = compute_knowledge(dataset, variant.losses)
    n_scored = variant.losses.shape[1]
    scale = dataset.n_people / n_scored
    bits = {name: scale * float(one.sum()) for name, one in known.bits.items()}
    total = sum(bits.values())
    naive = total
    if known.naive is not None:
        naive += scale * float(known.naive.sum()) - bits["employer"]
    low, high = (scale * end for end in bootstrap_total(known.per_person))
    loss = {name: float(one.mean()) for name, one in known.losses.items()}
    if not math.isfinite(total):
        reason = f"the losses of {variant.name} are not numbers, though its weights are"
        raise UserError(f"{run.slug}: {reason}. Train it again with a lower lr (now {run.recipe.lr:g}).")
    values = [name for name in bits if name not in ("name", "sets")]
    return {
        **describe_run(run, record, n_parameters, code),
        "variant": variant.name,
        "variant_spec": variant.spec,
        "quantized": variant.quantized,
        "bits_per_weight": variant.bits_per_weight,
        "people_scored": n_scored,
        "measure_seconds": variant.seconds,
        "loss_name": loss["name"],
        "loss_value": float(sum(loss[name] for name in values)),
        "loss_value1": loss.get("value1"),
        "loss_by_attribute": list(loss.items()),
        "facts_right": known.facts_right,
        "bits_by_attribute": list(bits.items()),
        "bits_name": bits["name"],
        "bits_value": float(sum(bits[name] for name in values)),
        "bits_sets": bits.get("sets", 0.0),
        "bits_learned": total,
        "bits_learned_low": min(low, total),  # where people do not differ, rounding would leave it outside
        "bits_learned_high": max(high, total),
        "bits_learned_naive": naive,
        "capacity_ratio": total / count_parameters(record, n_parameters),
        "data_limited": total >= DATA_LIMITED * dataset.bits_max,
    }


def diverged_row(run: Run, record: dict[str, Any], n_parameters: int, code: str) -> dict[str, Any]:
    """The row of a run that diverged: what it was and what it cost, and no result."""
    return {
        **describe_run(run, record, n_parameters, code),
        "variant": FULL_PRECISION,
        "bits_per_weight": float(FULL_BITS),
    }


def describe_run(run: Run, record: dict[str, Any], n_parameters: int, code: str) -> dict[str, Any]:
    """What was run, what it cost and where it came from.

    n_parameters: P of the model. Where an adapter was trained, its own P is that of the measurement.
    """
    counted = count_parameters(record, n_parameters)
    return {
        "run": run.slug,
        **describe_specs(run),
        "precision": record["precision"],
        "seed": run.seed,
        "diverged": record.get("diverged"),
        "n_parameters": counted,
        "used_tokens": record["used_tokens"],
        "bits_max": run.dataset.bits_max,
        "capacity_ratio_max": run.dataset.bits_max / counted,
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


def count_parameters(record: dict[str, Any], n_parameters: int) -> int:
    """P of what was trained: of an adapter, by the run's record, or of the model."""
    return int(record.get("trained_parameters", n_parameters))
