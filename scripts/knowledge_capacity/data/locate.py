"""Finding the facts in a text that a language model wrote, or why it cannot be used.

Only here are facts searched for in text; everywhere else their spans come from construction.
"""

import re

from .rewrites import FACTS, Rewrite, Span

GENDERED = {
    "he": ("he", "his", "him", "himself"),
    "she": ("she", "her", "hers", "herself"),
}
# but for the one of a title, such as Dr.
SENTENCE_END = re.compile(r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bProf)[.!?…][\"”’)]?\s")


def locate_facts(text: str, facts: dict[str, str]) -> Rewrite | str:
    """The text with the span of the first mention of every fact, or the reason why it is rejected.

    text: plain prose. facts: the facts of a person, keys as in FACTS. Every fact has to stand there in its own
    words, the full name before all others and in the first sentence, no word of the other gender, and not the
    whole of it twice. A mention inside that of a longer fact (a city in the name of a university) is none. Where
    somebody works in the city of their birth, it has to be told twice: the mention next to the employer's is that
    of the city of work.
    """
    taken: list[Span] = []

    def mentions(value: str) -> list[tuple[int, int]]:
        found = re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text)
        return [m.span() for m in found if not any(s.start < m.end() and m.start() < s.stop for s in taken)]

    # longer values first, so that what they contain is not taken for a mention of its own
    for fact in sorted((f for f in FACTS if f != "pronoun"), key=lambda f: -len(facts[f])):
        if fact in ("birth_city", "work_city") and facts["birth_city"] == facts["work_city"]:
            continue
        found = mentions(facts[fact])
        if not found:
            return f"{fact} missing"
        taken.append(Span(fact, *found[0]))
    if facts["birth_city"] == facts["work_city"]:
        found = mentions(facts["birth_city"])
        if len(found) < 2:
            return "work_city missing"
        (employer,) = [span for span in taken if span.fact == "employer"]
        work = min(found[:2], key=lambda place: abs(place[0] - employer.start))
        (birth,) = [place for place in found[:2] if place != work]
        taken += [Span("birth_city", *birth), Span("work_city", *work)]
    if all(mentions(facts[fact]) for fact in FACTS if fact != "pronoun"):
        return "told twice"  # as by a draft and what became of it
    gendered = {word: he for he, words in GENDERED.items() for word in words}
    said = [m for m in re.finditer(r"\w+", text) if m[0].lower() in gendered]
    said = [m for m in said if not any(s.start < m.end() and m.start() < s.stop for s in taken)]
    if not said:
        return "pronoun missing"
    if any(gendered[m[0].lower()] != facts["pronoun"] for m in said):
        return "wrong pronoun"
    taken.append(Span("pronoun", *said[0].span()))
    taken.sort(key=lambda span: span.start)
    if taken[0].fact != "name" or SENTENCE_END.search(text, 0, taken[0].start):
        return "name not first"
    return Rewrite(text, tuple(taken))
