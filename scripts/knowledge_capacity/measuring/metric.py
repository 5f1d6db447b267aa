"""The capacity metric of Allen-Zhu & Li 2024: bits of knowledge from losses, nothing clipped.

Losses are in nats, summed over tokens, one number per person. Every formula is linear in them, so each person
contributes a number of bits and the sum over people is the bits learned.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..specs import BioD, Biography, RandomStrings

Losses = NDArray[np.float64]


@dataclass(frozen=True)
class Bits:
    """Bits of knowledge by person, shape (n_people,) each: in names, in values, in bioD's sets of strings."""

    name: Losses
    value: Losses
    sets: Losses

    @property
    def per_person(self) -> Losses:
        """All bits a person contributes."""
        return self.name + self.value + self.sets

    @property
    def total(self) -> float:
        """Bits learned by the model."""
        return float(self.per_person.sum())


def bios_bits(dataset: Biography, loss_name: Losses, loss_value: Losses) -> Bits:
    """bioS: log2(N0 / e^p1) + log2(S0 / e^p2) per person.

    The paper writes N·log2(N0/e^p1) for a model that knows which N names exist; a perfect model has
    p1 = ln N, and reaches N·log2(N0/N).
    """
    name = math.log2(dataset.pools.names) - loss_name / math.log(2)
    value = dataset.bits_value - loss_value / math.log(2)
    return Bits(name, value, np.zeros_like(name))


def random_bits(dataset: RandomStrings, loss: Losses) -> Bits:
    """Random strings: log2(T^L / e^p) per string, where p is the loss of the string as a whole.

    A set of N strings takes the place of the names of bioS: a perfect model has p = ln N and reaches
    N·log2(T^L/N).
    """
    name = dataset.bits_string - loss / math.log(2)
    return Bits(name, np.zeros_like(name), np.zeros_like(name))


def biod_bits(dataset: BioD, loss_name: Losses, loss_value: Losses, loss_value1: Losses) -> Bits:
    """bioD: log2(N0 / e^p1) + K·log2(D^C / e^p2) per person, and K·D·log2(T^L / (D·e^p3)) in all.

    loss_value and loss_value1 are means over a person's K attributes. The last term is spread evenly over the
    people, each of whom carries 1/N of the mean loss p3.
    """
    k, d, n = dataset.attributes, dataset.diversity, dataset.n_people
    name = math.log2(dataset.pools.names) - loss_name / math.log(2)
    value = k * (dataset.chunks * math.log2(d) - loss_value / math.log(2))
    sets = k * d * (dataset.bits_set - loss_value1 / math.log(2)) / n
    return Bits(name, value, sets)
