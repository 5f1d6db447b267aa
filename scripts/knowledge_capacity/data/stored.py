"""bioR and bioG as training sees them: stored rewrites, tokenised once and mapped into memory.

`encode_rewrites` turns the shards of `rewrites` into three NumPy files with checksums: the tokens of all texts one
after the other (after a first one, end-of-text), their terms, and the length of each text. Whoever trains maps
them, so that runs share one copy in memory, and one that does not fit there is read from disk as it is needed.
"""

import json
import zlib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from ..files import UserError, add_checksum, atomic_write, remake_remedy, verify_checksum, write_json
from ..specs import BioG, BioR
from . import rewrites
from .counter import Purpose, person_index, random_words, uniform_below
from .pieces import EMPTY, END, END_OF_TEXT, Segments, Term, TokenTables
from .rewrites import Rewrite
from .tokenizer import straddling_token_error

FILES = {"tokens": np.int32, "terms": np.int8, "lengths": np.int32}
CHECKSUMS = "checksums.json"
FIRST = EMPTY + 1  # the phrase that is the first text


def split_at_facts(rewrite: Rewrite) -> Segments:
    """A text cut where facts begin and end; the space before a fact belongs to it."""
    cut: Segments = []
    place = 0
    for span in rewrite.spans:
        start = span.start - (rewrite.text[span.start - 1 : span.start] == " ")
        cut += [
            (rewrite.text[place:start], Term.NONE),
            (rewrite.text[start : span.stop], Term[span.fact.upper()]),
        ]
        place = span.stop
    return [(text, term) for text, term in [*cut, (rewrite.text[place:], Term.NONE)] if text]


def encode_rewrites(
    folder: Path, manifest: Path, dataset: BioG | BioR, seed: int, tokenizer: Tokenizer
) -> int:
    """Tokenise all rewrites that a manifest lists into FILES and their CHECKSUMS in `folder`; the number of tokens.

    Every stretch of text between two borders of facts is tokenised by itself. Raises UserError where the
    whole text has other tokens, for then facts cannot be told apart.
    """
    counts, checksums = dict.fromkeys(FILES, 0), dict.fromkeys(FILES, 0)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(open(stack.enter_context(atomic_write(folder / f"{name}.npy")), "wb+"))
            for name in FILES
        }

        def append(name: str, values: NDArray[np.int64]) -> None:
            kept = values.astype(FILES[name])
            kept.tofile(files[name])
            counts[name] += len(kept)
            checksums[name] = zlib.crc32(kept.data, checksums[name])

        def head(name: str) -> None:
            files[name].seek(0)
            header = {"descr": np.dtype(FILES[name]).str, "fortran_order": False, "shape": (counts[name],)}
            np.lib.format.write_array_header_1_0(files[name], header)

        for name in FILES:  # NumPy leaves room for any shape to be filled in when it is known
            head(name)
        append("tokens", np.array([tokenizer.token_to_id(END_OF_TEXT)]))
        append("terms", np.array([Term.NONE]))
        for texts in rewrites.read_rewrites(manifest, dataset, seed):
            tokens, terms, lengths = _encode_batch(texts, dataset.tokenizer, tokenizer)
            append("tokens", tokens)
            append("terms", terms)
            append("lengths", lengths)
        for name in FILES:
            head(name)
            files[name].flush()
    write_json(folder / CHECKSUMS, add_checksum(checksums))
    return counts["tokens"]


class StoredSource:
    """Which of its R rewrites tells of a person: at exposure e, number (first + e) mod R, first its own.

    So every R exposures in a row tell each rewrite exactly once, and people are not all at the same one.
    """

    def __init__(self, dataset: BioG | BioR, seed: int, codes: Tensor, folder: Path) -> None:
        """codes: the people, (n_people, fields) as `people.read_people` gives them. folder: of `encode_rewrites`."""
        self.dataset, self.seed, self.codes, self.device = dataset, seed, codes, codes.device
        self.pieces = StoredPieces(folder, dataset, seed)

    def training(self, number: Tensor) -> Tensor:
        """Phrases (n, 2) of biographies of the training stream, by number."""
        n, r = self.dataset.n_people, self.dataset.rewrites
        person = person_index(self.seed, Purpose.VISITING_ORDER, n, number)
        first = uniform_below(random_words(self.seed, Purpose.REWRITE_ORDER, person, n=1)[:, 0], r)
        return self._told(person, (first + number // n) % r)

    def probe(self, draw: int, person: Tensor) -> Tensor:
        """Phrases (n, 2) of one of its rewrites for each of some people, by position."""
        return self._told(person, torch.full_like(person, draw % self.dataset.rewrites))

    def _told(self, person: Tensor, rewrite: Tensor) -> Tensor:
        phrase = FIRST + person * self.dataset.rewrites + rewrite
        return torch.stack([phrase, torch.full_like(phrase, END)], dim=1)


class StoredPieces:
    """The texts in the place of phrases: their tokens as `encode_rewrites` wrote them."""

    def __init__(self, folder: Path, dataset: BioG | BioR, seed: int) -> None:
        self.folder, self.dataset, self.seed = folder, dataset, seed

    def tables(self, tokenizer: Tokenizer) -> TokenTables:
        """All phrases, tokenised: read for their checksums, and mapped. Raises UserError for files that do not fit."""
        checksums = self._checksums()
        tokens, terms, lengths = (self._map(name, checksums[name]) for name in FILES)
        sizes = (len(tokens), len(terms), len(lengths))
        n_texts, total = self.dataset.n_people * self.dataset.rewrites, 1 + int(lengths.sum())
        if sizes != (total, total, n_texts) or int(tokens[0]) != tokenizer.token_to_id(END_OF_TEXT):
            reason = f"holds other texts than {self.dataset.slug} needs"
            raise UserError(f"{self.folder}: {reason}. {remake_remedy(self.folder / 'tokens.npy')}")
        none = torch.zeros(2, dtype=torch.long)  # DOMAIN and EMPTY
        length = torch.cat([torch.ones(1, dtype=torch.long), none, lengths.long()])
        return TokenTables(tokens, terms, length.cumsum(0) - length, length)

    def segments(self, phrase: int) -> Segments:
        """A text, cut where facts begin and end; nothing for END."""
        if phrase < FIRST:
            return []
        person, rewrite = divmod(phrase - FIRST, self.dataset.rewrites)
        manifest = self.folder.parent / "rewrites.json"
        return split_at_facts(
            rewrites.read_person_rewrites(manifest, self.dataset, self.seed, person)[rewrite]
        )

    def _checksums(self) -> dict[str, int]:
        path = self.folder / CHECKSUMS
        try:
            found = verify_checksum(json.loads(path.read_text()))
            return {name: found[name] for name in FILES}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise UserError(f"{path}: not the checksums of texts ({error}). {remake_remedy(path)}") from error

    def _map(self, name: str, checksum: int) -> Tensor:
        path = self.folder / f"{name}.npy"
        try:
            # copy-on-write, since torch knows no tensors that are only read
            mapped = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not a readable NumPy file ({error}). {remake_remedy(path)}") from error
        if zlib.crc32(mapped.data) != checksum:
            raise UserError(f"{path}: damaged, its checksum is that of other contents. {remake_remedy(path)}")
        return torch.from_numpy(mapped)


def _encode_batch(
    texts: list[Rewrite], kind: str, tokenizer: Tokenizer
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Tokens of texts one after the other, end-of-text left out; their terms; the length of each text."""
    cut = [split_at_facts(text) for text in texts]
    flat = [segment for one in cut for segment in one]
    parts = [e.ids for e in tokenizer.encode_batch([text for text, _ in flat], add_special_tokens=False)]
    wholes = [e.ids for e in tokenizer.encode_batch([text.text for text in texts], add_special_tokens=False)]
    lengths, place = [], 0
    for text, one, whole in zip(texts, cut, wholes, strict=True):
        apart = [token for ids in parts[place : place + len(one)] for token in ids]
        if apart != whole:
            raise straddling_token_error(kind, text.text)
        lengths.append(len(whole))
        place += len(one)
    terms = np.repeat([int(term) for _, term in flat], [len(ids) for ids in parts])
    return np.array([token for ids in parts for token in ids]), terms, np.array(lengths)
