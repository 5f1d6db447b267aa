"""What the paper's GPT-2 has learned of bioS after 1000 exposures: dots of its figure 1(a), one model each.

The source is Allen-Zhu & Li 2024, arXiv 2404.05405. Parameters and bits were read off the vector graphics of the
figure, with an error of about 1 % in bits. The paper prints no table of them, and has one run for each dot.

The figure labels dots by size alone, so layers and heads follow from the parameters. A GPT-2 of so many layers and
heads of 64 dimensions, tied, with biases and without a table of positions, has
    12 layers width² + 13 layers width + (2 + tokens) width
of them. With the 3,275 tokens that occur in the paper's biographies, each dot lies within 0.05 % of one model of the
paper's grid, and 0.3 % or more from all others: 816,000 is GPT2-2-2. So all could be told.

Bits are as the paper counts them, of an employer whose city was told before it too (`bits_learned_naive` here).
"""

from typing import NamedTuple

TOKENS = 3275  # that occur in the paper's biographies, each with an embedding that counts


class PaperPoint(NamedTuple):
    """A dot. heads: of 64 dimensions. n_parameters: in thousands, as read."""

    n_people: int
    layers: int
    heads: int
    n_parameters: int
    bits_learned: int


POINTS = [
    PaperPoint(50_000, 2, 2, 816_000, 1_400_000),
    PaperPoint(50_000, 3, 2, 1_014_000, 1_957_000),
    PaperPoint(50_000, 4, 2, 1_213_000, 2_163_000),
    PaperPoint(50_000, 5, 2, 1_411_000, 2_459_000),
    PaperPoint(50_000, 2, 3, 1_519_000, 2_558_000),
    PaperPoint(50_000, 6, 2, 1_609_000, 2_688_000),
    PaperPoint(50_000, 7, 2, 1_807_000, 2_853_000),
    PaperPoint(50_000, 8, 2, 2_006_000, 2_870_000),
    PaperPoint(50_000, 4, 3, 2_409_000, 2_909_000),
    PaperPoint(50_000, 2, 4, 2_418_000, 2_915_000),
    PaperPoint(50_000, 5, 3, 2_853_000, 2_918_000),
    PaperPoint(50_000, 4, 4, 3_998_000, 2_916_000),
    PaperPoint(50_000, 10, 4, 8_736_000, 2_924_000),
    PaperPoint(50_000, 10, 6, 19_000_000, 2_928_000),
    PaperPoint(200_000, 4, 3, 2_409_000, 5_570_000),
    PaperPoint(200_000, 2, 4, 2_418_000, 5_385_000),
    PaperPoint(200_000, 5, 3, 2_853_000, 6_699_000),
    PaperPoint(200_000, 3, 4, 3_208_000, 7_370_000),
    PaperPoint(200_000, 6, 3, 3_298_000, 7_495_000),
    PaperPoint(200_000, 4, 4, 3_998_000, 8_583_000),
    PaperPoint(200_000, 5, 4, 4_788_000, 9_718_000),
    PaperPoint(200_000, 2, 6, 4_807_000, 9_514_000),
    PaperPoint(200_000, 6, 4, 5_577_000, 10_590_000),
    PaperPoint(200_000, 3, 6, 6_582_000, 11_160_000),
    PaperPoint(200_000, 8, 4, 7_157_000, 11_180_000),
    PaperPoint(200_000, 3, 20, 63_230_000, 11_270_000),
    PaperPoint(1_000_000, 6, 6, 11_910_000, 32_260_000),
    PaperPoint(1_000_000, 16, 4, 13_480_000, 35_380_000),
    PaperPoint(1_000_000, 8, 6, 15_450_000, 37_090_000),
    PaperPoint(1_000_000, 9, 6, 17_230_000, 40_250_000),
    PaperPoint(1_000_000, 10, 6, 19_000_000, 42_240_000),
    PaperPoint(1_000_000, 6, 8, 20_590_000, 44_820_000),
    PaperPoint(1_000_000, 12, 6, 22_550_000, 48_780_000),
    PaperPoint(1_000_000, 7, 8, 23_740_000, 51_050_000),
    PaperPoint(1_000_000, 8, 8, 26_900_000, 52_960_000),
    PaperPoint(1_000_000, 4, 12, 30_870_000, 53_940_000),
    PaperPoint(1_000_000, 28, 16, 356_000_000, 54_480_000),
    PaperPoint(2_000_000, 16, 8, 52_120_000, 104_800_000),
    PaperPoint(5_000_000, 6, 20, 122_300_000, 250_700_000),
    PaperPoint(10_000_000, 20, 16, 255_300_000, 497_800_000),
]
