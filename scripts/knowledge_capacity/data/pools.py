"""The values that each part of a bioS person is drawn from, cut to the sizes a dataset asks for."""

from collections.abc import Sequence

from ..specs import Pools
from .words import institutions, names, places

MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)
DAYS = tuple(str(day) for day in range(1, 29))
FIRST_YEAR = 1900
PRONOUNS = ("he", "she")

NAME_FIELDS = ("first_name", "middle_name", "last_name")
FACT_FIELDS = (
    "birth_month",
    "birth_day",
    "birth_year",
    "birth_city",
    "university",
    "major",
    "employer",
    "pronoun",
)


Texts = Sequence[str]


def pool_values(pools: Pools) -> dict[str, Texts]:
    """For every field of a person, the texts it can take; a person holds positions in these."""
    return {
        "first_name": names.FIRST_NAMES[: pools.first_names],
        "middle_name": names.MIDDLE_NAMES[: pools.middle_names],
        "last_name": names.LAST_NAMES[: pools.last_names],
        "birth_month": MONTHS,
        "birth_day": DAYS,
        "birth_year": tuple(str(FIRST_YEAR + year) for year in range(pools.birth_years)),
        "birth_city": places.CITIES[: pools.cities],
        "university": institutions.UNIVERSITIES[: pools.universities],
        "major": institutions.MAJORS[: pools.majors],
        "employer": institutions.EMPLOYERS[: pools.employers],
        "pronoun": PRONOUNS,
    }


def headquarters_cities(pools: Pools) -> tuple[int, ...]:
    """For every employer, the position of its headquarters among the cities.

    With fewer cities than headquarters, a headquarters outside the pool moves to the city at its position
    modulo the pool's size.
    """
    position = {city: i for i, city in enumerate(places.CITIES)}
    return tuple(position[city] % pools.cities for city in institutions.HEADQUARTERS[: pools.employers])
