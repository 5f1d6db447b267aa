"""Our word lists keep the promises that the metric rests on."""

import math
from collections import Counter

import pytest
from knowledge_capacity.data import pools
from knowledge_capacity.data.words import institutions, names, places
from knowledge_capacity.data.words.templates import TEMPLATES
from knowledge_capacity.specs import Pools

LISTS = {
    "first_name": (names.FIRST_NAMES, 400),
    "middle_name": (names.MIDDLE_NAMES, 400),
    "last_name": (names.LAST_NAMES, 1000),
    "birth_city": (places.CITIES, 200),
    "university": (institutions.UNIVERSITIES, 300),
    "major": (institutions.MAJORS, 100),
    "employer": (institutions.EMPLOYERS, 263),
}
ALL_TEMPLATES = [(attribute, template) for attribute, row in TEMPLATES.items() for template in row]


@pytest.mark.parametrize("field", LISTS)
def test_lists_have_the_papers_size_and_no_duplicates(field: str) -> None:
    values, size = LISTS[field]
    assert len(values) == size
    assert len(set(values)) == size
    assert tuple(pools.pool_values(Pools())[field]) == values


@pytest.mark.parametrize("field", LISTS)
def test_no_value_begins_with_another(field: str) -> None:
    """Else a model would be credited for a value that it does not end."""
    values = LISTS[field][0]
    starts = Counter(" ".join(v.split()[:i]) for v in values for i in range(1, len(v.split()) + 1))
    assert [value for value in values if starts[value] > 1] == []


@pytest.mark.parametrize("field", LISTS)
def test_values_are_plain_capitalised_words(field: str) -> None:
    for value in LISTS[field][0]:
        assert value == " ".join(value.split())
        assert value[0].isupper()
        assert not set(value) & set(".,'{}"), value


def test_names_are_single_words_of_one_list_each() -> None:
    every = (*names.FIRST_NAMES, *names.MIDDLE_NAMES, *names.LAST_NAMES)
    assert len(set(every)) == len(every)
    assert [name for name in every if len(name.split()) != 1] == []


@pytest.mark.parametrize("attribute", TEMPLATES)
def test_there_are_fifty_different_templates(attribute: str) -> None:
    assert len(TEMPLATES[attribute]) == len(set(TEMPLATES[attribute])) == 50


def test_templates_are_in_the_order_of_the_counted_attributes() -> None:
    assert tuple(TEMPLATES) == ("birth_date", "birth_city", "university", "major", "employer", "work_city")


@pytest.mark.parametrize(("attribute", "template"), ALL_TEMPLATES)
def test_templates_are_whole_sentences(attribute: str, template: str) -> None:
    assert template.startswith("{subject} ")
    assert template.count("{subject}") == template.count("{value}") == 1
    assert template.count(".") == 1
    assert template.endswith(".")
    assert template == " ".join(template.split())
    words = template.lower().replace(",", " ").replace(".", " ").split()
    assert not {"he", "she", "his", "her", "him", "hers"} & set(words)


def test_a_sentence_up_to_its_value_tells_what_comes() -> None:
    """Else a model that knows the fact would still lose bits on it, to the wording."""
    unsure = []
    for attribute, template in ALL_TEMPLATES:
        before = template.split("{value}")[0]
        for other, continuation in ALL_TEMPLATES:
            if continuation.startswith(before):
                said = continuation.removeprefix(before).startswith("{value}")
                if not said or other != attribute:
                    unsure.append((template, continuation))
    assert unsure == []


@pytest.mark.parametrize("attribute", TEMPLATES)
def test_the_first_templates_are_short(attribute: str) -> None:
    row = TEMPLATES[attribute]
    assert max(map(len, row[:4])) <= sorted(map(len, row))[len(row) // 2]


def test_headquarters_are_cities() -> None:
    assert len(institutions.HEADQUARTERS) == len(institutions.EMPLOYERS)
    assert set(institutions.HEADQUARTERS) <= set(places.CITIES)


def test_headquarters_hold_about_as_many_bits_as_the_papers() -> None:
    counts = Counter(institutions.HEADQUARTERS)
    assert len(counts) == pytest.approx(133, abs=10)
    bits = -sum(n / 263 * math.log2(n / 263) for n in counts.values())
    assert bits == pytest.approx(6.31, abs=0.3)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_small_pools_need_no_headquarters_outside(size: int) -> None:
    assert set(institutions.HEADQUARTERS[:size]) <= set(places.CITIES[:size])
    small = Pools(cities=size, employers=size)
    found = [places.CITIES[i] for i in pools.headquarters_cities(small)]
    assert found == list(institutions.HEADQUARTERS[:size])


def test_headquarters_stay_within_the_cities_of_any_pool() -> None:
    for cities in (1, 3, 199, 200):
        positions = pools.headquarters_cities(Pools(cities=cities))
        assert len(positions) == 263
        assert set(positions) <= set(range(cities))
