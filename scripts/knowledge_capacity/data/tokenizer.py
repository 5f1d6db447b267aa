"""Tokenisers. The tiny studies use one word per token, in the file format of the `tokenizers` library."""

import json
import os
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from ..files import UserError, replacing, write_json

END_OF_TEXT = "<|endoftext|>"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a job uses the threads it was given, no more
WORD = r"'s|[.,]|[^\s.,']+"


def word_level(texts: list[str]) -> Tokenizer:
    """A tokeniser with one token for each word and punctuation mark of `texts`; END_OF_TEXT is token 0."""
    split = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    words = sorted({word for text in texts for word, _ in split.pre_tokenize_str(text)})
    vocabulary = {END_OF_TEXT: 0, **{word: i for i, word in enumerate(words, start=1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=None))
    tokenizer.pre_tokenizer = split
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def write(folder: Path, tokenizer: Tokenizer) -> None:
    """Write a tokeniser as a folder that `transformers.AutoTokenizer` loads."""
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END_OF_TEXT, "bos_token": END_OF_TEXT}
    write_json(folder / "tokenizer_config.json", {**names, "clean_up_tokenization_spaces": False})
    with replacing(folder / "tokenizer.json") as aside:
        aside.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + "\n")


def read(path: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception for every kind of bad file
        raise UserError(f"{path}: not a readable tokenizer ({error}). Delete it and run again.") from error
