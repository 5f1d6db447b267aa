"""Tokenizers, in the file format of the `tokenizers` library.

Three kinds: one token for each word; byte-pair encoding trained on the dataset's own biographies; and any
tokenizer from a folder or a hub id, cut down to what the dataset needs, so that a model carries no embeddings
for words that it never sees.
"""

import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from ..files import UserError, atomic_write, remake_remedy, write_json
from ..specs import BYTE_PAIR, WORD_LEVEL
from .pieces import DOMAIN_TOKEN, END_OF_TEXT, unknown_word_error

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a job uses the threads it was given, no more
WORD = r"'s|[.,]|[^\s.,']+"
NO_TOKEN = "<|unknown|>"  # in no vocabulary


def make_tokenizer(kind: str, texts: list[str], corpus: list[str], closed: bool = True) -> Tokenizer:
    """The tokenizer that a dataset asks for.

    kind: "word", "bpe-SIZE", or a folder or hub id. texts: every piece of text that it has to know. corpus:
    biographies, from which byte pairs are learned. closed: whether the dataset has no other text than these;
    a tokenizer from elsewhere is cut down to them if so. Raises UserError for one that cannot be had.
    """
    if kind == WORD_LEVEL:
        return make_word_tokenizer(texts)
    if match := BYTE_PAIR.fullmatch(kind):
        return train_bpe_tokenizer(corpus, int(match[1]))
    found = _load_tokenizer(kind)
    if closed:
        made = trim_tokenizer(found, [*texts, *corpus])
    else:
        made = found
        made.add_special_tokens([END_OF_TEXT])  # for one that has none
    _refuse_shared_ids(made, f"tokenizer {kind}")
    return made


def check_tokenizer(tokenizer: Tokenizer, kind: str, biographies: Iterable[list[str]]) -> None:
    """Raise UserError unless whole biographies have the tokens of their pieces, one after the other.

    Pieces end where facts begin and end, so a token across that border would belong to both. A tokenizer also
    has to know END_OF_TEXT and every word, to leave out no letter, and to encode a text beside others as it does
    alone.
    """
    if END_OF_TEXT not in tokenizer.get_vocab():
        remedy = "Training must have put that between biographies, and the tokenizer must know it."
        raise UserError(f"tokenizer {kind}: it has no token {END_OF_TEXT}. {remedy}")
    unknown = _unknown_token(tokenizer)
    told = list(biographies)
    texts = ["".join(pieces) for pieces in told]
    try:
        together = tokenizer.encode_batch(texts, add_special_tokens=False)
        for pieces, text, whole in zip(told, texts, together, strict=True):
            apart = [
                token for piece in pieces for token in tokenizer.encode(piece, add_special_tokens=False).ids
            ]
            if whole.ids != apart:
                raise straddling_token_error(kind, text)
            if not _is_whole(text, whole, unknown):
                raise unknown_word_error(
                    kind, ValueError(f"it does not know all letters of {text[:60]!r}...")
                )
    except UserError:
        raise
    except Exception as error:  # the library raises plain Exception for a word that it does not know
        raise unknown_word_error(kind, error) from error


def _unknown_token(tokenizer: Tokenizer) -> int | None:
    """The token that stands for whatever a tokenizer does not know, if it has one."""
    model = json.loads(tokenizer.to_str())["model"]
    if model["type"] == "Unigram":
        return model["unk_id"]
    return tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else None


def _is_whole(text: str, encoded: Encoding, unknown: int | None) -> bool:
    """Whether every character of a text but spaces is in a token, and that is not the one for the unknown."""
    place, between = 0, ""
    for token, (start, stop) in zip(encoded.ids, encoded.offsets, strict=True):
        if token != unknown:
            between += text[place:start]
            place = max(place, stop)
    return not (between + text[place:]).strip()


def straddling_token_error(kind: str, text: str) -> UserError:
    """The error that a token belongs to a fact and to what stands beside it."""
    return UserError(
        f"tokenizer {kind}: it does not cut {text[:60]!r}... where facts begin and end, so their losses "
        "cannot be told apart. Use one that splits at spaces and punctuation, as GPT-2's does."
    )


def make_word_tokenizer(texts: list[str]) -> Tokenizer:
    """A tokenizer with one token for each word and punctuation mark of `texts`; END_OF_TEXT is token 0."""
    split = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    words = sorted({word for text in texts for word, _ in split.pre_tokenize_str(text)})
    vocabulary = {END_OF_TEXT: 0, **{word: i for i, word in enumerate(words, start=1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=None))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.WordPiece(
        prefix="##", cleanup=True
    )  # spaces between words, none before . , 's
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def train_bpe_tokenizer(corpus: list[str], size: int) -> Tokenizer:
    """Byte-level byte-pair encoding of at most `size` tokens learned from `corpus`; END_OF_TEXT is 0."""
    tokenizer = _make_byte_level(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def trim_tokenizer(tokenizer: Tokenizer, texts: list[str]) -> Tokenizer:
    """The same tokenizer with the tokens that `texts` need and no others, numbered in the old order.

    Byte-pair encodings keep every token that occurs on the way to a token of `texts`, so they cut these texts
    as before (and text of other words into smaller parts). Other models are returned whole.
    """
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    if model["type"] != "BPE" or tokenizer.pre_tokenizer is None:
        return tokenizer
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(merge if isinstance(merge, list) else merge.split(" ")) for merge in model["merges"]]
    rank = {merge: i for i, merge in enumerate(merges)}
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    words = {word for text in texts for word, _ in split(_normalize_text(tokenizer, text))}
    kept_merges: set[tuple[str, ...]] = set()
    kept = {token["content"] for token in content["added_tokens"]} | {END_OF_TEXT}
    for word in words:
        parts = [word] if model["ignore_merges"] and word in vocabulary else list(word)
        kept.update(parts)
        while mergeable := [pair for pair in itertools.pairwise(parts) if pair in rank]:
            first = min(mergeable, key=rank.__getitem__)
            kept_merges.add(first)
            parts = _merge_pair(parts, first)
            kept.update(parts)
    order = sorted(kept & vocabulary.keys(), key=vocabulary.__getitem__)
    number = {token: i for i, token in enumerate(order)}
    model["vocab"] = number
    model["merges"] = [list(merge) for merge in merges if merge in kept_merges]
    content["post_processor"] = None  # it would add special tokens, by their old numbers
    content["added_tokens"] = [
        {**token, "id": number[token["content"]]}
        for token in content["added_tokens"]
        if token["content"] in number
    ]
    small = Tokenizer.from_str(json.dumps(content))
    small.add_special_tokens([END_OF_TEXT])
    return small


def write_tokenizer(folder: Path, tokenizer: Tokenizer, **settings: str) -> None:
    """Write a tokenizer as a folder that `transformers.AutoTokenizer` loads.

    settings: what else tokenizer_config.json says.
    """
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END_OF_TEXT, "bos_token": END_OF_TEXT}
    write_json(folder / "tokenizer_config.json", {**names, **settings, "clean_up_tokenization_spaces": False})
    with atomic_write(folder / "tokenizer.json") as aside:
        aside.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + "\n")


def write_run_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write the tokenizer of a trained run for other programs, with the tokens and ids that it has here.

    As in training, a text begins with END_OF_TEXT, unless a program asks for no special tokens. Batches are
    filled up with it on the left: a token of its own would need a row of the head, and so change every
    probability. Letters that byte pairs do not know are refused, where they would be left out in silence.
    """
    made = Tokenizer.from_str(tokenizer.to_str())
    begin = [(END_OF_TEXT, tokenizer.get_vocab()[END_OF_TEXT])]
    pair = f"{END_OF_TEXT} $A {END_OF_TEXT} $B:1"
    made.post_processor = processors.TemplateProcessing(f"{END_OF_TEXT} $A", pair, begin)
    if isinstance(made.model, models.BPE) and made.model.unk_token is None:
        made.model.unk_token = NO_TOKEN
    write_tokenizer(folder, made, pad_token=END_OF_TEXT, padding_side="left")


def read_tokenizer(path: Path, domain: bool = False) -> Tokenizer:
    """The tokenizer in a tokenizer.json, with one more token where a domain token is asked for.

    Each text is encoded by itself, whatever the file says: whole, without padding, and by no chance. Raises
    UserError for a file that is no tokenizer, and for one of whose tokens two have one id.
    """
    try:
        content = json.loads(path.read_text())
        tokenizer = _encode_alike(Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises plain Exception for every kind of bad file
        raise UserError(f"{path}: not a readable tokenizer ({error}). {remake_remedy(path)}") from error
    for token in (
        content.get("added_tokens") or ()
    ):  # the library gives one that does not follow the others another id
        if (found := tokenizer.token_to_id(token["content"])) != token["id"]:
            reason = f"it gives {token['content']} the id {token['id']}, and tokenizers reads it as {found}"
            raise UserError(
                f"{path}: {reason}. Let added tokens have the ids that follow those of the others."
            )
    if domain:
        tokenizer.add_special_tokens([DOMAIN_TOKEN])
    _refuse_shared_ids(tokenizer, str(path))
    return tokenizer


def embedding_rows(tokenizer: Tokenizer) -> int:
    """How many rows an embedding needs: one for each id up to the highest, since ids may have holes."""
    return 1 + max(tokenizer.get_vocab().values())


def _encode_alike(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, without what makes the tokens of a text depend on others or on chance."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if isinstance(tokenizer.model, models.BPE):
        tokenizer.model.dropout = None
    return tokenizer


def _refuse_shared_ids(tokenizer: Tokenizer, name: str) -> None:
    """Raise UserError where two tokens have one id, as an added one gets that of another where ids have holes."""
    of_id: dict[int, str] = {}
    for token, number in sorted(tokenizer.get_vocab().items()):
        if number in of_id:
            reason = f"{of_id[number]!r} and {token!r} have the same id, {number}"
            raise UserError(f"{name}: {reason}. Number its tokens without holes.")
        of_id[number] = token


def _load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer in a folder (tokenizer.json, or GPT-2's vocab.json and merges.txt) or on the hub."""
    folder = Path(name)
    if (folder / "tokenizer.json").exists():
        return read_tokenizer(folder / "tokenizer.json")
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
        return _make_byte_level(models.BPE.from_file(*files))
    if folder.is_dir():
        raise UserError(
            f"tokenizer {name}: the folder has neither tokenizer.json nor vocab.json and merges.txt."
        )
    try:
        return _encode_alike(Tokenizer.from_pretrained(name))
    except Exception as error:  # the library raises plain Exception for everything from a typo to no network
        reason = "there is no such folder, and the hub does not give it"
        raise UserError(
            f"tokenizer {name}: {reason} ({error}). Correct the name, or give a folder."
        ) from error


def _make_byte_level(model: Any) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _normalize_text(tokenizer: Tokenizer, text: str) -> str:
    return tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text


def _merge_pair(parts: list[str], pair: tuple[str, ...]) -> list[str]:
    """The parts with every occurrence of the pair made one, from left to right."""
    merged: list[str] = []
    i = 0
    while i < len(parts):
        if tuple(parts[i : i + 2]) == pair:
            merged.append(parts[i] + parts[i + 1])
            i += 2
        else:
            merged.append(parts[i])
            i += 1
    return merged
