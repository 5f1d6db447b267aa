"""What is made of strings of symbols: bioD, and random strings."""

import torch
from torch import Tensor

from ..specs import BioD, RandomStrings
from . import people
from .counter import Purpose, person_index, random_words
from .pieces import END, Pieces, Term


class BioDSource:
    """Which phrases tell of a person: one sentence per attribute, its values symbol by symbol."""

    def __init__(self, dataset: BioD, seed: int, codes: Tensor) -> None:
        """codes: the people, (n_people, fields) as `people.read_people` gives them."""
        self.dataset, self.seed, self.codes, self.device = dataset, seed, codes, codes.device
        self.pieces = Pieces()

        def phrase(text: str) -> Tensor:
            return self.pieces.phrases(torch.tensor([self.pieces.unit(text)]))

        self.names = self.pieces.names(dataset.pools)
        self.possessive, self.pronoun = phrase("'s"), phrase(" Their")
        self.comma, self.period = phrase(","), phrase(".")
        self.labels = torch.cat([phrase(f" ID {k + 1} is") for k in range(dataset.attributes)])
        symbols = symbol_texts(dataset.symbols)
        self.first_symbols, self.other_symbols = (
            self.pieces.phrases(self.pieces.pool(symbols, term))
            for term in (Term.FIRST_CHUNK, Term.OTHER_CHUNKS)
        )
        # (attributes · diversity, length)
        self.strings = people.draw_string_sets(dataset, seed).flatten(0, 1).int().to(codes.device)

    def training(self, number: Tensor) -> Tensor:
        """Phrases, a row each, of biographies of the training stream, by number."""
        person = person_index(self.seed, Purpose.VISITING_ORDER, self.dataset.n_people, number)
        random = random_words(self.seed, Purpose.WORDING, number, n=self.dataset.attributes)
        return self.compose(self.codes.index_select(0, person), self.wording(random))

    def probe(self, draw: int, person: Tensor) -> Tensor:
        """Phrases of one biography of each of some people, by position, in an order of its own."""
        random = random_words(self.seed, Purpose.PROBE, person, draw, n=self.dataset.attributes)
        return self.compose(self.codes.index_select(0, person), self.wording(random))

    def wording(self, random: Tensor) -> Tensor:
        """The order of the attributes, int64 (n, K), from random words (n, K); there is one template only."""
        return random.argsort(dim=1)

    def compose(self, codes: Tensor, order: Tensor) -> Tensor:
        """Phrases, a row each, of the biographies of people, attributes in the given order (n, K)."""
        n, k, c = len(codes), self.dataset.attributes, self.dataset.chunks
        codes = codes.long()
        chosen = codes[:, 3:].view(n, k, c).gather(1, order[:, :, None].expand(n, k, c))
        string = (order[:, :, None] * self.dataset.diversity + chosen).flatten()
        symbols = self.strings.index_select(0, string).view(n, k, c, self.dataset.length)
        # symbols of one term have consecutive numbers
        offset = torch.cat([self.first_symbols[:1], self.other_symbols[:1].expand(c - 1)])
        separators = torch.cat([self.comma.expand(c - 1), self.period])[:, None].expand(n, k, c, 1)
        values = torch.cat([symbols + offset[:, None], separators], dim=3).flatten(2)
        label = self.labels.index_select(0, order.flatten()).view(n, k, 1)
        sentences = torch.cat([self.pronoun.expand(n, k, 1), label, values], dim=2).flatten(1)
        named = [
            part.index_select(0, codes[:, i])[:, None] for i, part in enumerate(self.names)
        ]  # who stands in place of the first pronoun
        opening = [*named, self.possessive.expand(n, 1)]
        end = torch.full((n, 1), END, device=codes.device)
        return torch.cat([*opening, sentences[:, 1:], end], dim=1)


class RandomStringSource:
    """Which phrases are a random string: its symbols, all of them counted as a name is."""

    def __init__(self, dataset: RandomStrings, seed: int, codes: Tensor) -> None:
        """codes: the symbols, (n_strings, length) as `people.read_people` gives them."""
        self.dataset, self.seed, self.codes, self.device = dataset, seed, codes, codes.device
        self.pieces = Pieces()
        self.symbols = self.pieces.phrases(self.pieces.pool(symbol_texts(dataset.symbols), Term.NAME))

    def training(self, number: Tensor) -> Tensor:
        """Phrases (n, length + 1) of strings of the training stream, by number."""
        string = person_index(self.seed, Purpose.VISITING_ORDER, self.dataset.n_strings, number)
        return self.compose(self.codes.index_select(0, string))

    def probe(self, draw: int, string: Tensor) -> Tensor:
        """Phrases (n, length + 1) of some strings, by position; all draws are alike."""
        del draw
        return self.compose(self.codes.index_select(0, string))

    def compose(self, codes: Tensor) -> Tensor:
        """Phrases (n, length + 1) of strings given as symbols (n, length)."""
        end = torch.full((len(codes), 1), END, device=codes.device)
        return torch.cat([codes.long() + self.symbols[0], end], dim=1)


def symbol_texts(symbols: int) -> list[str]:
    """The symbols of an alphabet, as words."""
    return [f"s{symbol}" for symbol in range(symbols)]
