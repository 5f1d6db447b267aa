"""What a server sent: an answer in OpenAI's protocol, or what it is instead, whatever its status says."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from .rewrites import Span

COMPLETE = {"stop", "eos", "eos_token", "end_turn", "end_of_turn", "stop_sequence", "complete", "completed"}
TOO_LONG = {
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "model_length",
    "incomplete",
}
# what a chat completion has beside its choices
BESIDE_CHOICES = {
    "id",
    "object",
    "created",
    "model",
    "usage",
    "choices",
    "system_fingerprint",
    "service_tier",
}
SHOWN = 200  # characters of what came, in a message


@dataclass(frozen=True)
class Answer:
    """What came back: text (None where there is none), tokens read and written (0: unknown), and what is wrong.

    problem: why it cannot be used, whatever its text is; detail: the beginning of what came instead. spans: where
    the facts are, of a text that was put together around them.
    """

    text: str | None
    cut_off: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    problem: str = ""
    detail: str = ""
    spans: tuple[Span, ...] = ()


class ReplyError(Exception):
    """What came instead of an answer. status: as in HTTP, or 0. parameter: which one of a request is refused."""

    def __init__(self, what: str, status: int = 0, parameter: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.status, self.parameter, self.remedy = what, status, parameter, remedy


def read_reply(content: str, content_type: str = "") -> Answer:
    """The answer in the body of a reply. Raises ReplyError for a body that is another thing altogether.

    What may come of a connection that broke, or of a moment's trouble, is an answer with a problem.
    """
    content = content.removeprefix("\ufeff").strip()
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        if content.startswith("{") or not content:
            return Answer(None, problem="malformed answer", detail=_shorten(content))
        raise read_other_body(content, content_type) from error
    choices = found.get("choices") if isinstance(found, dict) else None
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        if not choices[0].get("error"):
            return _read_choice(choices[0], found.get("usage"))
        found = choices[0]
    elif not found or (isinstance(found, dict) and not found.get("error") and _is_completion(found)):
        return Answer(None, problem="malformed answer", detail=_shorten(content))
    raise read_error(found)


def _is_completion(found: dict[str, Any]) -> bool:
    """Whether an object is a chat completion, be it without a choice, and none of another protocol."""
    told = {key for key, value in found.items() if value is not None}
    return isinstance(found.get("choices"), list) or told <= BESIDE_CHOICES


def read_error(found: Any) -> ReplyError:
    """The error that JSON holds, in any of the forms that servers have for it."""
    error = found
    while isinstance(error, dict | list) and error:
        if isinstance(error, list):
            error = error[0]
        elif inner := next((error[key] for key in ("error", "errors", "detail") if error.get(key)), None):
            if isinstance(inner, str):
                error = {**error, "message": inner}
                break
            error = inner
        else:
            break
    fields = error if isinstance(error, dict) else {}
    told = [error, fields.get("message"), fields.get("msg"), fields.get("type")]
    message = next((one for one in told if isinstance(one, str) and one), "")
    code = next((fields[key] for key in ("code", "status", "status_code") if fields.get(key)), 0)
    status = int(code) if str(code).isdecimal() and 400 <= int(code) < 600 else 0
    place = fields.get("loc")
    parameter = fields.get("param") or (place[-1] if isinstance(place, list) and place else "")
    what = (
        f"an error ({_shorten(message)})"
        if message
        else f"no chat completion ({_shorten(json.dumps(found))})"
    )
    return ReplyError(what, status, str(parameter))


def read_other_body(content: str, content_type: str) -> ReplyError:
    """What a body is that is no JSON."""
    if "event-stream" in content_type or re.match(r"(?:data|event|id|retry)?:", content):
        what = f"a stream of events ({_shorten(content)})"
        return ReplyError(what, remedy="It was asked not to stream: have it, or what stands before it, obey.")
    if "html" in content_type or content.startswith("<"):
        title = re.search(r"<title[^>]*>(.*?)</title>", content, re.IGNORECASE | re.DOTALL)
        told = title[1] if title else re.sub(r"<[^>]*>", " ", content)
        remedy = "Correct url in envs/endpoint.yaml (it mostly ends in /v1), or sign in where the page asks for it."
        return ReplyError(f"a web page ({_shorten(told)})", remedy=remedy)
    return ReplyError(f"something that is no JSON ({_shorten(content)})")


def restore_answer(kept: Any) -> Answer:
    """An answer from a journal, whichever version wrote it. Raises TypeError or KeyError for none."""
    text, problem = _read_content(kept["text"])
    tokens_in, tokens_out = _read_count(kept.get("tokens_in")), _read_count(kept.get("tokens_out"))
    told = [kept.get(key) for key in ("problem", "detail")]
    said, detail = (one if isinstance(one, str) else "" for one in told)
    cut_off = kept.get("cut_off") is True
    problem = said or ("" if cut_off else problem)
    spans = tuple(Span(str(fact), int(start), int(stop)) for fact, start, stop in kept.get("spans") or ())
    return Answer(text, cut_off, tokens_in, tokens_out, problem, detail, spans)


def _read_choice(choice: dict[str, Any], usage: Any) -> Answer:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {"content": choice.get("text")}
    text, problem = _read_content(message.get("content"))
    finish = choice.get("finish_reason")
    word = finish.lower() if isinstance(finish, str) else ""
    cut_off = word in TOO_LONG
    if cut_off:
        problem = ""
    elif word and word not in COMPLETE:
        problem = f"ended by {word[:40]}"
    elif message.get("refusal"):
        problem = "refused by the model"
    elif not text and any(
        message.get(key) for key in ("reasoning_content", "reasoning", "reasoning_details")
    ):
        problem = "reasoning alone"
    used = usage if isinstance(usage, dict) else {}
    tokens_in = _read_count(used.get("prompt_tokens", used.get("input_tokens")))
    tokens_out = _read_count(used.get("completion_tokens", used.get("output_tokens")))
    detail = _shorten(json.dumps(choice)) if problem or cut_off else ""
    return Answer(text, cut_off, tokens_in, tokens_out, problem, detail)


def _read_content(content: Any) -> tuple[str | None, str]:
    """The text of a message, which may be a part or a list of parts, and what is wrong with it."""
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, list):
        parts = [part for part in content if not _is_reasoning(part)]
        texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
        whole = [text for text in texts if isinstance(text, str)]
        content = "".join(whole) if whole and len(whole) == len(texts) else None
    return (content, "") if isinstance(content, str) else (None, "malformed answer")


def _is_reasoning(part: Any) -> bool:
    return isinstance(part, dict) and str(part.get("type")) in ("thinking", "reasoning", "redacted_thinking")


def _read_count(value: Any) -> int:
    """A number of tokens; 0 where it is none."""
    try:
        count = float(value)
    except (TypeError, ValueError):
        return 0
    return round(count) if math.isfinite(count) and count > 0 else 0


def _shorten(text: str) -> str:
    """The beginning of what a server said, fit for a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split())[:SHOWN])
