"""bioS and bioS_simple: six sentences about a person, from templates."""

import itertools

import torch
from torch import Tensor

from ..specs import BioS, BioSSimple
from . import people, pools
from .counter import MASK, Purpose, person_index, random_words, uniform_below
from .pieces import EMPTY, END, Pieces, Term
from .words.templates import TEMPLATES

ATTRIBUTES = tuple(TEMPLATES)
BIRTH_DATE, EMPLOYER, WORK_CITY = (ATTRIBUTES.index(a) for a in ("birth_date", "employer", "work_city"))
VALUE_TERMS = {
    "birth_city": Term.BIRTH_CITY,
    "university": Term.UNIVERSITY,
    "major": Term.MAJOR,
    "employer": Term.EMPLOYER,
    "work_city": Term.WORK_CITY,
}


class BioSSource:
    """Which phrases tell of a person. A sentence is two of them:

    its head: subject (none where the name stands before it), what stands before the value, and month and day
    where that is a birth date; and its tail: the value (of a birth date, the year) and what follows it.
    """

    def __init__(self, dataset: BioS | BioSSimple, seed: int, codes: Tensor) -> None:
        """codes: the people, (n_people, fields) as `people.read_people` gives them."""
        self.dataset, self.seed, self.codes, self.device = dataset, seed, codes, codes.device
        self.pieces = Pieces()
        self.orders = torch.tensor(list(itertools.permutations(range(len(ATTRIBUTES)))))
        texts, templates = pools.pool_values(dataset.pools), dataset.templates
        self.names = self.pieces.names(dataset.pools)
        self.headquarters = torch.tensor(pools.headquarters_cities(dataset.pools))

        unit, pool = self.pieces.unit, self.pieces.pool
        capitalised = [pronoun.capitalize() for pronoun in texts["pronoun"]]
        # no subject where the name stands; the pronoun that counts, which is the first; and the later ones
        subjects = torch.cat([torch.tensor([EMPTY]), pool(capitalised, Term.PRONOUN), pool(capitalised)])
        first_head, first_tail = [], []
        head: tuple[Tensor, ...]
        for attribute in ATTRIBUTES:
            halves = [t.removeprefix("{subject}").split("{value}") for t in TEMPLATES[attribute][:templates]]
            before = torch.tensor([unit(half[0].rstrip()) for half in halves])
            after = torch.tensor([unit(half[1]) for half in halves])
            if attribute == "birth_date":
                months = pool(texts["birth_month"], Term.BIRTH_DATE)
                days = pool((f"{day}," for day in texts["birth_day"]), Term.BIRTH_DATE)
                head = (subjects[:, None, None, None], before[:, None, None], months[:, None], days)
                values = pool(texts["birth_year"], Term.BIRTH_DATE)
            else:
                head = (subjects[:, None], before)
                field = "birth_city" if attribute == "work_city" else attribute
                values = pool(texts[field], VALUE_TERMS[attribute])
            first_head.append(int(self.pieces.phrases(*head).min()))
            first_tail.append(int(self.pieces.phrases(values[:, None], after).min()))
        self.first_head = torch.tensor(first_head)
        self.first_tail = torch.tensor(first_tail)
        self.n_days = len(texts["birth_day"])
        n_dates = len(texts["birth_month"]) * self.n_days
        self.dates = torch.tensor([n_dates if a == "birth_date" else 1 for a in ATTRIBUTES])

    def training(self, number: Tensor, junk_people: int = 0, first_people: int | None = None) -> Tensor:
        """Phrases (n, 16) of biographies of the training stream, by number.

        With junk_people, those of the junk stream: so many other people, whose positions follow those
        of the dataset's own, and who are drawn when they are needed. first_people: of exposures of so many of the
        dataset's own alone, those of the first positions.
        """
        n_people = first_people or self.dataset.n_people
        if junk_people:
            person = self.dataset.n_people + person_index(self.seed, Purpose.JUNK_ORDER, junk_people, number)
            codes = people.draw_people(self.dataset, self.seed, person)
            random = random_words(self.seed, Purpose.JUNK_WORDING, number)
        else:
            person = person_index(self.seed, Purpose.VISITING_ORDER, n_people, number)
            codes = self.codes.index_select(0, person)
            drawn_by = person if isinstance(self.dataset, BioSSimple) else number
            random = random_words(self.seed, Purpose.WORDING, drawn_by)
        return self.compose(codes, *self.wording(random))

    def others(self, first: int, number: Tensor) -> Tensor:
        """Phrases (n, 16) of a biography of each of other people, by number. first: the position of number 0."""
        codes = people.draw_people(self.dataset, self.seed, first + number)
        return self.compose(
            codes, *self.wording(random_words(self.seed, Purpose.JUNK_WORDING, first + number))
        )

    def probe(self, draw: int, person: Tensor) -> Tensor:
        """Phrases (n, 16) of one biography of each of some people, by position, for measuring.

        bioS: freshly worded; even draws tell the employer before the city of work, and draw 2k + 1 is draw 2k
        with these two sentences exchanged. bioS_simple: every draw is the person's own text.
        """
        if isinstance(self.dataset, BioSSimple):
            order, templates = self.wording(random_words(self.seed, Purpose.WORDING, person))
        else:
            order, templates = self.wording(random_words(self.seed, Purpose.PROBE, person, draw // 2))
            place = order.argsort(dim=1)
            early = torch.minimum(place[:, EMPLOYER], place[:, WORK_CITY])[:, None]
            late = torch.maximum(place[:, EMPLOYER], place[:, WORK_CITY])[:, None]
            leads, follows = (EMPLOYER, WORK_CITY) if draw % 2 == 0 else (WORK_CITY, EMPLOYER)
            order = order.scatter(1, early, leads).scatter(1, late, follows)
        return self.compose(self.codes.index_select(0, person), order, templates)

    def wording(self, random: Tensor) -> tuple[Tensor, Tensor]:
        """Sentence order and template of each attribute, int64 (n, 6) each, from random words (n, 4)."""
        order = self.orders.index_select(0, uniform_below(random[:, 0], len(self.orders)))
        templates = []
        for word in (random[:, 1], random[:, 2]):
            # what multiplying leaves below 2^32 is itself uniform, and serves the next draw
            for _ in range(3):
                templates.append(uniform_below(word, self.dataset.templates))
                word = (word * self.dataset.templates) & MASK
        return order, torch.stack(templates, dim=1)

    def compose(self, codes: Tensor, order: Tensor, templates: Tensor) -> Tensor:
        """Phrases (n, 16) of the biographies of people (n, 11), sentences in the given order."""
        n, t = len(codes), self.dataset.templates
        *name, month, day, year, city, university, major, employer, pronoun = codes.long().unbind(dim=1)
        values = torch.stack([year, city, university, major, employer, self.headquarters[employer]], dim=1)
        template = templates.gather(1, order)
        # which subject: none, pronoun that counts, pronoun that does not
        subject = pronoun[:, None] + torch.tensor([1, 3, 3, 3, 3], device=codes.device)
        subject = torch.cat([torch.zeros_like(pronoun)[:, None], subject], dim=1)
        flat = order.flatten()
        dates = self.dates.index_select(0, flat).view_as(order)
        date = (month * self.n_days + day)[:, None] * (order == BIRTH_DATE)
        head = self.first_head.index_select(0, flat).view_as(order) + (subject * t + template) * dates + date
        tail = self.first_tail.index_select(0, flat).view_as(order) + values.gather(1, order) * t + template
        named = [part.index_select(0, code)[:, None] for part, code in zip(self.names, name, strict=True)]
        end = torch.full((n, 1), END, device=codes.device)
        return torch.cat([*named, torch.stack([head, tail], dim=2).flatten(1), end], dim=1)
