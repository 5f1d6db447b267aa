"""The data card: what a dataset holds, counted in closed form, and ten of its biographies to look at.

Nothing here is measured on a model. Bits and entropies are arithmetic on the spec, tokens are counted on the
stream that models are trained on, and the spans of the biographies come from the pieces that they are put
together from: no text is searched.
"""

import math
from collections import Counter
from dataclasses import asdict
from itertools import groupby
from typing import Any

import torch
from tokenizers import Tokenizer

from ..specs import Biography, Dataset, RandomStrings
from . import pools
from .pieces import Term
from .stream import Stream

BIOGRAPHIES = 10  # shown
EXPOSURES = 10  # in which the tokens that occur are counted
COUNTED = 100_000  # biographies whose lengths are counted, at most
CHUNK = 10_000  # biographies made at a time


def make_data_card(stream: Stream, tokenizer: Tokenizer) -> dict[str, Any]:
    """The card of the dataset of a stream, as what JSON can hold. Keys:

    slug, spec, seed: what the card is about; spec as in the configuration.
    n, of: how many there are, and of what: people or strings.
    bits: a list of {term, formula, per_person, total}, in bits: what the facts of all people together hold.
    bits_per_person, bits_max: the sums of these, in bits.
    pools: a list of {field, values, entropy, note}: from how many values a field is drawn, and the entropy
      of one draw, in bits.
    tokens: counts of tokens, end-of-text included: per_biography_mean, _shortest and _longest over the
      `biographies_counted` first biographies (one exposure or its first 100,000), per_exposure (mean ×
      people), vocabulary (size), vocabulary_used (how many occur in the `exposures_counted` first exposures).
    biographies: the first ten of the stream, each a list of {text, term}; the texts joined are the biography,
      term is the name of a `Term` in small letters, or null for text that counts for nothing.
    """
    dataset = stream.dataset
    bits = _bits_by_term(dataset)
    return {
        "slug": dataset.slug,
        "n": dataset.n_people,
        "of": "strings" if isinstance(dataset, RandomStrings) else "people",
        "spec": asdict(dataset),
        "seed": stream.seed,
        "bits": bits,
        "bits_per_person": math.fsum(row["per_person"] for row in bits),
        "bits_max": math.fsum(row["total"] for row in bits),
        "pools": _pool_entropies(dataset),
        "tokens": {
            **_token_counts(stream),
            "vocabulary": tokenizer.get_vocab_size(),
            "exposures_counted": EXPOSURES,
            "vocabulary_used": _vocabulary_used(stream),
        },
        "biographies": [_biography_segments(stream, row) for row in stream.pieces(0, BIOGRAPHIES).tolist()],
    }


def _bits_by_term(dataset: Dataset) -> list[dict[str, Any]]:
    """The terms of `dataset.bits_max`, one by one."""
    n = dataset.n_people
    if isinstance(dataset, RandomStrings):
        t, length = dataset.symbols, dataset.length
        rows = [("string", f"log2({t:,}^{length} / {n:,})", dataset.bits_max / n)]
        return [{"term": t, "formula": f, "per_person": bits, "total": n * bits} for t, f, bits in rows]
    p = dataset.pools
    rows = [("name", f"log2({p.names:,} / {n:,})", math.log2(p.names / n))]
    if isinstance(dataset, Biography):
        days = (len(pools.MONTHS), len(pools.DAYS), p.birth_years)
        counted = [("birth_date", days), ("birth_city", (p.cities,)), ("university", (p.universities,))]
        counted += [("major", (p.majors,)), ("employer", (p.employers,)), ("pronoun", (len(pools.PRONOUNS),))]
        for term, sizes in counted:
            rows.append((term, f"log2({' · '.join(map(str, sizes))})", math.log2(math.prod(sizes))))
    else:
        k, c, d = dataset.attributes, dataset.chunks, dataset.diversity
        strings = f"{dataset.symbols:,}^{dataset.length} / {d:,}"
        rows.append(("values", f"{k} · {c} · log2({d:,})", k * c * math.log2(d)))
        rows.append(("sets", f"{k} · {d:,} · log2({strings}) / {n:,}", k * d * dataset.bits_set / n))
    return [{"term": t, "formula": f, "per_person": bits, "total": n * bits} for t, f, bits in rows]


def _pool_entropies(dataset: Dataset) -> list[dict[str, Any]]:
    """What each field is drawn from, uniformly unless its note says otherwise."""
    if isinstance(dataset, RandomStrings):
        note = f"A string is {dataset.length} of them; no two strings are alike."
        row = ("symbol", dataset.symbols, math.log2(dataset.symbols), note)
        return [dict(zip(("field", "values", "entropy", "note"), row, strict=True))]
    texts = pools.pool_values(dataset.pools)
    fields = pools.NAME_FIELDS + (pools.FACT_FIELDS if isinstance(dataset, Biography) else ())
    rows = [(field, len(texts[field]), math.log2(len(texts[field])), "") for field in fields]
    n0 = dataset.pools.names
    rows.insert(3, ("name", n0, math.log2(n0), "No two people share a full name."))
    if isinstance(dataset, Biography):
        headquarters = Counter(pools.headquarters_cities(dataset.pools))
        shares = [count / headquarters.total() for count in headquarters.values()]
        entropy = math.fsum(-share * math.log2(share) for share in shares)
        note = "Headquarters of a uniformly drawn employer: a function of the employer, no bits of its own."
        rows.append(("work_city", len(headquarters), entropy, note))
    else:
        d, t, length = dataset.diversity, dataset.symbols, dataset.length
        note = "The set of each attribute; every chunk of a value is drawn from it."
        rows.append(("string", d, math.log2(d), note))
        note = f"A string is {length} of them, {length * math.log2(t):.2f} bits before its set is known."
        rows.append(("symbol", t, math.log2(t), note))
    return [{"field": f, "values": v, "entropy": e, "note": note} for f, v, e, note in rows]


def _token_counts(stream: Stream) -> dict[str, Any]:
    """Tokens of biographies and exposures, end-of-text included."""
    counted = min(stream.dataset.n_people, COUNTED)
    starts = range(0, counted, CHUNK)
    chunks = [stream.tokens(stream.pieces(start, min(start + CHUNK, counted))) for start in starts]
    lengths = torch.cat([lengths for _, lengths in chunks])
    mean = int(lengths.sum()) / counted
    return {
        "biographies_counted": counted,
        "per_biography_mean": mean,
        "per_biography_shortest": int(lengths.min()),
        "per_biography_longest": int(lengths.max()),
        "per_exposure": round(mean * stream.dataset.n_people),
    }


def _vocabulary_used(stream: Stream) -> int:
    """How many different tokens occur in the first exposures, end-of-text included."""
    possible, total = stream.possible_tokens(), EXPOSURES * stream.dataset.n_people
    seen = torch.zeros(int(possible.max()) + 1, dtype=torch.bool)
    for start in range(0, total, CHUNK):
        tokens, _ = stream.tokens(stream.pieces(start, min(start + CHUNK, total)))
        seen[tokens.long()] = True
        if int(seen.sum()) == len(possible):  # no more can come, however many biographies are left
            break
    return int(seen.sum())


def _biography_segments(stream: Stream, pieces: list[int]) -> list[dict[str, Any]]:
    """One biography: neighbouring stretches of one term make a segment."""
    whole = "string" if isinstance(stream.dataset, RandomStrings) else "name"
    names = {Term.NONE: None, **{term: term.name.lower() for term in Term if term}, Term.NAME: whole}
    return [
        {"text": "".join(text for text, _ in group), "term": names[term]}
        for term, group in groupby(stream.segments(pieces), key=lambda segment: segment[1])
    ]
