"""Asking a server for biographies, over HTTP in OpenAI's protocol."""

import json
import os
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import openai

from ..console import format_duration
from ..files import UserError
from .endpoint import Endpoint
from .llm import Ask, Request
from .replies import Answer, ReplyError, read_error, read_other_body, read_reply

LONGEST_WAIT = 3600.0  # seconds waited for when the server says how long; it ends where it says more
FIRST_PAUSE, LONGEST_PAUSE = (
    0.5,
    8.0,
)  # seconds before another try where it does not say; each is twice the last
MOMENTARY = {408, 409, 425, 429, *range(500, 600)}  # statuses that may be others next time
# 6m0s, 1h2m, 250ms: how long until a limit is lifted, in headers and in messages
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(ms|s))?")
AGAIN_IN = re.compile(
    r"\b(?:try again|retry|wait)\b[^.]*?\b(?:in|for|after) ([\dhms.]*[hms])\b", re.IGNORECASE
)


def make_http_requester(
    settings: Endpoint, model: str, temperature: float, say: Callable[[str], None] = lambda line: None
) -> Ask:
    """Ask the server of the settings. Raises UserError where it is not to be had, even after retries.

    say: told when all requests wait because the server asks for it.
    """
    try:
        client = openai.OpenAI(
            base_url=settings.url,
            api_key=os.environ.get(settings.api_key_variable) or "none",
            timeout=settings.timeout_seconds,
            max_retries=0,  # it knows no waits above two minutes, and no errors in a body of status 200
        )
    except (ImportError, ValueError) as error:  # of the library, about a proxy that it cannot use
        raise UserError(f"{settings.url}: {error}.{_name_proxy(settings.url)}") from error
    turn, stopped, next_start, held_until = threading.Lock(), threading.Event(), 0.0, 0.0
    pause = 60 / settings.requests_per_minute if settings.requests_per_minute else 0.0
    limit = "max_tokens"  # its name, which newer servers have another for
    heat: dict[str, float] = {"temperature": temperature}

    def wait_turn() -> None:
        nonlocal next_start
        while (held := held_until - time.monotonic()) > 0 and wait_unless(stopped, held):
            pass
        with turn:
            start = max(time.monotonic(), next_start)
            next_start = start + pause
        wait_unless(stopped, start - time.monotonic())

    def hold_back(seconds: float) -> None:
        """Have all requests wait."""
        nonlocal held_until
        with turn:
            first = held_until < time.monotonic()
            held_until = max(held_until, time.monotonic() + seconds)
        if first and seconds >= 10:
            say(
                f"{settings.url}: the server asks to wait {format_duration(seconds)}; asked again {_at(seconds)}"
            )

    def send(request: Request, parameters: Mapping[str, float]) -> Answer:
        came = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "user", "content": request.prompt}],
            stream=False,  # by name, for servers that stream unless told not to
            extra_body=parameters,
        ).http_response
        return read_reply(came.content.decode(errors="replace"), came.headers.get("content-type", ""))

    def adapt(error: ReplyError, parameters: Mapping[str, float]) -> bool:
        """Whether to ask again, now without what the server refuses by its name."""
        nonlocal limit
        refused = f"{error.parameter} {error.what}"
        if "max_tokens" in parameters and "max_completion_tokens" in refused:
            limit = "max_completion_tokens"
        elif "temperature" in parameters and "temperature" in refused and temperature == 1.0:
            heat.clear()  # 1 is what a server takes unless told otherwise
        else:
            return False
        return True

    def one(request: Request) -> Answer:
        failures = 0
        while True:
            wait_turn()
            parameters = {limit: settings.max_tokens, **heat}
            seconds: float | None = None
            try:
                return send(request, parameters)
            except openai.APIConnectionError as error:
                failure = _connection_error(settings, error)
            except openai.APIStatusError as error:
                found = _read_status_error(error)
                seconds = read_wait(error.response.headers, found.what)
                failure = _refusal_error(settings, model, found, seconds)
                if found.status in (400, 422) and adapt(found, parameters):
                    continue
                if found.status not in MOMENTARY:
                    raise failure from error
            except ReplyError as found:
                seconds = read_wait({}, found.what)
                failure = _refusal_error(settings, model, found, seconds)
                if adapt(found, parameters):
                    continue
                if found.status not in MOMENTARY:
                    raise failure from found
            if failures == settings.retries or stopped.is_set() or (seconds or 0) > LONGEST_WAIT:
                raise failure
            if seconds is None:
                wait_unless(stopped, min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE))
            else:
                hold_back(seconds)
            failures += 1

    def ask(requests: list[Request]) -> Iterator[tuple[Request, Answer]]:
        pool = ThreadPoolExecutor(settings.concurrency)
        stopped.clear()
        try:
            waiting: dict[Future[Answer], Request] = {pool.submit(one, r): r for r in requests}
            failure: BaseException | None = None
            for done in as_completed(waiting):
                if done.cancelled():
                    continue
                if error := done.exception():
                    failure = failure or error
                    stopped.set()
                    for future in waiting:  # what is under way is still waited for: it may be paid for
                        future.cancel()
                else:
                    yield waiting[done], done.result()
            if failure:
                raise failure
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)

    return ask


def wait_unless(stopped: threading.Event, seconds: float) -> bool:
    """Wait; False as soon as the job is to stop."""
    return not stopped.wait(max(0.0, seconds))


def read_wait(headers: Mapping[str, str], message: str) -> float | None:
    """Seconds until a server wants to be asked again, as headers or the message say; None where nothing does."""
    after = headers.get("retry-after", "")
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", after):
            return float(after)
        if after:
            return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
    except (ValueError, OverflowError):
        pass
    limits = [
        (f"{stem}-remaining{kind}", f"{stem}-reset{kind}")
        for stem in ("x-ratelimit", "ratelimit")
        for kind in ("-requests", "-tokens", "")
    ]
    waits = [headers.get(reset, "") for remaining, reset in limits if headers.get(remaining) == "0"]
    waits += [match[1] for match in [AGAIN_IN.search(message)] if match]
    return max((_read_duration(wait) for wait in waits if wait), default=None)


def _read_duration(text: str) -> float:
    """Seconds in a duration such as 6m0s, in a number of them, or until a moment since 1970; 0 where it is none."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text) if float(text) < 1e9 else max(0.0, float(text) - time.time())
    match = DURATION.fullmatch(text)
    if not match:
        return 0.0
    hours, minutes, rest, unit = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest or 0) / (1000 if unit == "ms" else 1)


def _read_status_error(error: openai.APIStatusError) -> ReplyError:
    """What a server says with a status that is an error."""
    content = error.response.text.strip()
    try:
        found = read_error(json.loads(content))
    except ValueError:
        found = read_other_body(content, error.response.headers.get("content-type", ""))
    found.status = error.status_code
    found.what = f"status {error.status_code} and {found.what}"
    return found


def _refusal_error(settings: Endpoint, model: str, found: ReplyError, wait: float | None) -> UserError:
    """What it means that no answer came."""
    remedy = {
        401: f"Put a valid key into the environment variable {settings.api_key_variable}.",
        402: f"See to the account whose key is in {settings.api_key_variable}, or take another server.",
        403: f"The key in {settings.api_key_variable} may not use this model; take another.",
        404: f"Is {model} what the server calls its model? Correct model in the dataset, or url.",
        429: "Lower concurrency or requests_per_minute in envs/endpoint.yaml, or see to your quota.",
    }.get(found.status, found.remedy or "Look into the server's log.")
    if wait is not None and wait > LONGEST_WAIT:
        remedy = f"It asks to wait {format_duration(wait)}: run the same again {_at(wait)}."
    proxy = _name_proxy(settings.url)
    return UserError(
        f"{settings.url}: the server answers with {found.what}. {remedy}{proxy} What was accepted is kept."
    )


def _connection_error(settings: Endpoint, error: openai.APIConnectionError) -> UserError:
    reason = "does not answer in time" if isinstance(error, openai.APITimeoutError) else "is not there"
    cause = f" ({error.__cause__})" if error.__cause__ and str(error.__cause__) else ""
    return UserError(
        f"{settings.url}: the server {reason}{cause} (asked {settings.retries + 1} times). Start it, or "
        f"correct url in envs/endpoint.yaml; what was accepted is kept.{_name_proxy(settings.url)}"
    )


def _name_proxy(url: str) -> str:
    """A sentence about the proxy on the way to a server; nothing without one."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    shown = urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2]  # without a password
    return f" The way there is through the proxy {shown}; NO_PROXY={parts.hostname} would leave it out."


def _at(seconds: float) -> str:
    """The time so many seconds from now, with its day where that is another."""
    now = time.time()
    then = time.localtime(now + seconds)
    day = "" if then.tm_yday == time.localtime(now).tm_yday else "on %d %B "
    return time.strftime(f"{day}at %H:%M", then)
