"""A model's answer without what is no biography: taken off where that is certain, else a reason to reject it."""

import html
import json
import re
import unicodedata
from typing import Any

_TAG = r"(?:\w+:)?(?:think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad)"
_OPENING = rf"[<\[◁]{_TAG}[>\]▷]"
_CLOSING = rf"[<\[◁]/{_TAG}[>\]▷]"
REASONING = re.compile(rf"{_OPENING}(?:(?!{_OPENING}).)*?{_CLOSING}", re.IGNORECASE | re.DOTALL)
BEFORE_CLOSING = re.compile(rf".*{_CLOSING}", re.IGNORECASE | re.DOTALL)  # where the prompt opened it
OPENED = re.compile(_OPENING, re.IGNORECASE)
# channels: what is for the reader follows the word "final"
FINAL_CHANNEL = re.compile(r".*<\|channel\|>final<\|message\|>|^analysis.*assistantfinal", re.DOTALL)

_END_WORDS = "im_end|eot_id|eom_id|endoftext|end_of_text|end_of_turn|return|end|eos|END_OF_TURN_TOKEN"
END_OF_TURN = re.compile(
    rf"<\|(?:{_END_WORDS})\|>|<(?:{_END_WORDS})>|</s>|<｜end▁of▁sentence｜>|\[EOS\]", re.IGNORECASE
)
SPECIAL = (
    r"<\|[^<>|]*\|>|<｜[^<>｜]*｜>|</?s>|<(?:bos|pad|unk|start_of_turn)>|\[/?(?:INST|CLS|SEP|PAD)\]|<</?SYS>>"
)
START_OF_TURN = re.compile(
    rf"^(?:\s*(?:{SPECIAL})\s*(?:(?:assistant|model|bot)\s*(?:\n|:|$))?)+|^\s*(?:assistant|model|bot|AI)\s*(?:\n|:)",
    re.IGNORECASE,
)

MISREAD = re.compile(r"â€|Ã[\u0080-\u00bf]")  # UTF-8 that was read as another encoding
# of prose, beside ASCII, Latin letters, dashes and quotes; the last are accents
SIGNS = "…·°′″£€" + "".join(map(chr, range(0x300, 0x370)))
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060\u00ad"))  # marks of bytes, of where a word may break
FENCE = re.compile(r"^```[\w-]*\n(.*?)\n?```$", re.DOTALL)
ONE_TAG = re.compile(r"^<(\w+)[^<>]*>((?:(?!<).)*)</\1>$", re.DOTALL)
RULE = re.compile(r"^(?:[-*_=] ?){3,}$")
HEADING = re.compile(r"^#{1,6}\s.*|^(\*\*|__)(?:(?!\1).)+\1:?$")
# "Here is the biography:", "Biography of the person:", in front of the text or on a line of its own
PREFACE = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|absolutely|here(?:'s| is))\b[^\n:]*:"
    r"|(?:(?:final|revised|short|creative) )?(?:answer|output|response|biography|bio|paragraph|text)"
    r"\b[^\n:.]{0,60}:)\s*",
    re.IGNORECASE,
)
NOTE = re.compile(
    r"^[\W_]*(?:(?:please )?note\b|n\.?b\.|p\.? ?s\.|word count|\d+ words|let me know|feel free"
    r"|i (?:hope|have|used|tried)\b"
    r"|i've|this (?:biography|paragraph|text|version|answer)\b|is there|would you|explanation|disclaimer|facts? used"
    r"|references?:|sources?:)",
    re.IGNORECASE,
)
LIST = re.compile(r"^\s*(?:[-•–*+]|\d+[.)])\s", re.MULTILINE)
EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3}|`)(?=\S)((?:(?!\1).)+?)(?<=\S)\1(?![\w*])")
MARKUP = re.compile(r"[*_#`~<>{}|\\^\[\]]|https?://")
SENTENCE_END = re.compile(r"(?<![.…])[.!?][\"'”’)»]*$")
# whoever speaks of themselves, to a reader, or of the task tells no life; in what stands beside the facts
TASK = re.compile(
    r"\b(?:I|I'(?:m|ve|ll|d)|[Mm]e|[Mm]y|[Yy]ou|[Yy]ours?|an AI|language model|the (?:user|prompt|instructions?))\b"
    r"|\b(?:every|each|all|all of|the|these|those|given|provided) facts?\b|\bword for word\b|\bword count\b"
    r"|\b[Ww]e\b|\b[Ll]et's\b|\bAI\b|\b[Tt]he end\.|\bEND\b"
    r"|(?i:\bbiograph(?:y|ies|ical)\b|\bparagraphs?\b|\bfictional\b|\bfictitious\b|\bChatGPT\b"
    r"|\b(?:written|generated|created) by\b|\bhope (?:this|that|it) helps\b|\bfeel free\b|\blet me know\b)"
)
# "Draft:", "Version 2:", "User:" where a sentence begins
LABEL = re.compile(r"(?:^|[.!?][\"”’)]?\s)\W*(?:[^\W_]+\s){0,2}[^\W_]+\s?:\s")


class NoBiography(Exception):
    """Why an answer cannot be used: a few words, the same for all answers of its kind."""


def take_off_wrapping(text: str) -> str:
    """The prose in an answer, spaces made one. Raises NoBiography where something else may be in it."""
    text = _take_off_turns(_take_off_reasoning(_check_letters(text))).strip()
    text = _unwrap(text)
    text = _take_off_headings_and_notes(text)
    if LIST.search(text):
        raise NoBiography("a list")
    text = " ".join(text.split())
    while (plain := EMPHASIS.sub(r"\2", text)) != text:
        text = plain
    if MARKUP.search(text):
        raise NoBiography("markup")
    if not all(map(_is_plain, set(text))):
        raise NoBiography("foreign signs")
    text = PREFACE.sub("", text)
    if text.startswith(('"', "“")):
        text = text.strip('"“” ')
    if not text:
        raise NoBiography("empty")
    if not SENTENCE_END.search(text):
        raise NoBiography("unfinished sentence")
    return text


def refuse_talk(text: str) -> None:
    """Raise NoBiography where a text, its facts left out, has labels or speaks of its writer, reader or task."""
    if LABEL.search(text):
        raise NoBiography("a label")
    if TASK.search(text):
        raise NoBiography("talk about the task")


def _check_letters(text: str) -> str:
    """The text without marks that nobody sees."""
    text = text.translate(INVISIBLE)
    if MISREAD.search(text):
        raise NoBiography("broken letters")
    for letter in text:
        # halves of a pair, unassigned or private letters, controls; what a decoder puts for bytes that are none
        if letter == "\ufffd" or (unicodedata.category(letter)[0] == "C" and not letter.isspace()):
            raise NoBiography("broken letters")
    return text


def _is_plain(letter: str) -> bool:
    """Whether a character may stand in English prose: no picture, no mark of a source, no other script."""
    return (
        letter.isascii()
        or letter in SIGNS
        or unicodedata.category(letter) in ("Pd", "Pi", "Pf")
        or unicodedata.name(letter, "").startswith("LATIN")
    )


def _take_off_reasoning(text: str) -> str:
    text = FINAL_CHANNEL.sub("", text)
    while (shorter := REASONING.sub("", text)) != text:
        text = shorter
    text = BEFORE_CLOSING.sub("", text)
    if OPENED.search(text) or "<|channel|>" in text:
        raise NoBiography("unfinished reasoning")
    return text


def _take_off_turns(text: str) -> str:
    """What the model said in its own turn; some go on and play the other side."""
    text = START_OF_TURN.sub("", text)
    text = END_OF_TURN.split(text, maxsplit=1)[0]
    if re.search(SPECIAL, text):
        raise NoBiography("special tokens")
    return text


def _unwrap(text: str) -> str:
    """What a fence, JSON with a single text, or one pair of tags is around."""
    while True:
        if match := FENCE.match(text):
            text = match[1].strip()
        elif match := ONE_TAG.match(text):
            text = match[2].strip()
        elif text.startswith(("{", "[")):
            text = _only_text(text).strip()
        else:
            return html.unescape(text)


def _only_text(text: str) -> str:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoBiography("JSON" if text.startswith("{") else "markup") from error
    while isinstance(found, dict | list) and len(found) == 1:
        (found,) = found.values() if isinstance(found, dict) else found
    if not isinstance(found, str):
        raise NoBiography("JSON")
    return _check_letters(found)


def _take_off_headings_and_notes(text: str) -> str:
    """The text between a title and a note, both of which stand apart from it."""
    lines = [line.strip() for line in text.splitlines()]
    while lines and (not lines[0] or _is_heading(lines)):
        del lines[0]
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", "\n".join(lines))]
    for i, paragraph in enumerate(paragraphs):
        if i and NOTE.match(paragraph):
            paragraphs = paragraphs[:i]
            break
    while paragraphs and RULE.match(paragraphs[-1]):
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def _is_heading(lines: list[str]) -> bool:
    """Whether the first of some lines is a title, a line under one, or a preface of its own."""
    first, second = lines[0], lines[1] if len(lines) > 1 else None
    if RULE.match(first) or (HEADING.match(first) and second is not None):
        return True
    if PREFACE.fullmatch(first):
        return True
    underlined = second is not None and RULE.match(second)
    apart = second == "" and any(lines[2:])
    return bool(underlined or (apart and not re.search(r"[.!?…,;\"'”’)»]$", first)))
