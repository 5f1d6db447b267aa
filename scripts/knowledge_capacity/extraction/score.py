"""From answers to a row of measurements, and to a table of the answers themselves."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ..measurements.measurement_table import DATA_LIMITED
from ..measuring.metric import biod_bits, bios_bits
from ..measuring.result_row import describe_run
from ..specs import FULL_BITS, BioD, Biography, Run, to_json
from ..specs import Extraction as Spec
from ..statistics.bootstrap import bootstrap_total
from .answers import Answers
from .exam import Exam
from .questions import TokenRole, attribute_names, choice_counts

ANSWERS = pa.schema(
    [
        pa.field("variant", pa.string(), nullable=False),
        pa.field("person", pa.int64(), nullable=False),  # position in people.parquet
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("given", pa.string(), nullable=False),
        pa.field("right", pa.bool_(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),  # of the answer's value, in nats
    ]
)


def bits_per_person(dataset: Biography | BioD, losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Extractable bits by person: what a uniform guesser lacks, less what the answers lack (`metric`).

    losses: (n_people, attributes), nats. Names are given in the questions, so they count for nothing.
    """
    nothing = np.zeros(len(losses))
    if isinstance(dataset, Biography):
        return bios_bits(dataset, nothing, losses.sum(axis=1)).value
    return biod_bits(dataset, nothing, losses.mean(axis=1), nothing).value


def bits_max(dataset: Biography | BioD) -> float:
    """Bits in the values of all people: N·log2 S0, or N·K·C·log2 D."""
    return dataset.n_people * float(sum(np.log2(n) for n in choice_counts(dataset).values()))


def measurement_row(
    run: Run,
    record: dict[str, Any],
    n_parameters: int,
    spec: Spec,
    answers: Answers,
    seconds: float,
    code: str,
) -> dict[str, Any]:
    """One measurement of extraction: of the people asked, made into bits of all people.

    n_parameters: of the model as trained, since the updates see no fact of those who are asked. bits_max:
    that of values alone, since names are given. Otherwise as `result_row.measurement_row`.
    """
    dataset = run.dataset
    assert isinstance(dataset, Biography | BioD)
    bits = bits_per_person(dataset, answers.losses)
    scale = dataset.n_people / len(bits)
    low, high = bootstrap_total(bits)
    total, most = scale * float(bits.sum()), bits_max(dataset)
    names, lost = attribute_names(dataset), answers.losses.mean(axis=0)
    certain = np.log2(list(choice_counts(dataset).values()))
    of_each = dataset.n_people * (certain - lost / np.log(2))
    value = answers.losses.sum(axis=1) if isinstance(dataset, Biography) else answers.losses.mean(axis=1)
    return {
        **describe_run(run, record, n_parameters, code),
        "variant": spec.slug,
        "variant_spec": to_json(spec),
        "bits_per_weight": float(FULL_BITS),
        "people_scored": len(bits),
        "measure_seconds": seconds,
        "loss_value": float(value.mean()),
        "loss_by_attribute": list(zip(names, lost.tolist(), strict=True)),
        "accuracy_by_attribute": list(zip(names, answers.right.mean(axis=0).tolist(), strict=True)),
        "commonest_answer_by_attribute": list(zip(names, answers.commonest.tolist(), strict=True)),
        "bits_by_attribute": list(zip(names, of_each.tolist(), strict=True)),
        "bits_name": 0.0,
        "bits_value": total,
        "bits_sets": 0.0,
        "bits_learned": total,
        "bits_learned_low": scale * low,
        "bits_learned_high": scale * high,
        "bits_learned_naive": total,
        "bits_max": most,
        "capacity_ratio": total / n_parameters,
        "capacity_ratio_max": most / n_parameters,
        "data_limited": total >= DATA_LIMITED * most,
    }


def answer_table(variant: str, exam: Exam, tokenizer: Tokenizer) -> pa.Table:
    """All answers in words."""
    rows = []
    asked, questions, answers, _ = exam
    for i, person in enumerate(asked.tolist()):
        for k, attribute in enumerate(questions.attributes):
            tokens = questions.tokens[i, k].tolist()
            start = int((questions.parts[i, k] >= TokenRole.SIGN).int().argmax())
            rows.append(
                {
                    "variant": variant,
                    "person": person,
                    "attribute": attribute,
                    "question": questions.text(tokenizer, tokens[:start]),
                    "answer": questions.text(tokenizer, tokens[start:]),
                    "given": questions.text(tokenizer, answers.given[i, k].tolist()),
                    "right": bool(answers.right[i, k]),
                    "loss": float(answers.losses[i, k]),
                }
            )
    return pa.Table.from_pylist(rows, schema=ANSWERS)
