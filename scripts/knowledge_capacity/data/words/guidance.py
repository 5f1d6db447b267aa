"""What a guided model is shown, and which of its words may stand where."""

OWN = {"he": ("he", "his", "him", "himself"), "she": ("she", "her", "hers", "herself")}
# words that would tell he from she before the pronoun does, or speak of the task
NEVER = set(
    "man woman men women boy girl son daughter father mother husband wife male female lady gentleman brother sister "
    "actor actress businessman businesswoman mr mrs i me my mine myself you your yours yourself we us our ours fact "
    "facts word words prompt user instruction instructions sentence line".split()
)
# words after which no sentence ends
HANGING = set(
    "a an the and or but nor of in at on to for by with from as into onto his her its their he she it they who whom "
    "which that this these where when while is was are were be been being has had have will would can could than "
    "very so because if not also such about through during".split()
)
# for each fact, the words one of which stands before its value, and phrases that lead to it from anywhere
KINDS = {
    "birth_date": ("born birth birthday", (", born on", ", whose birthday is", ", with a date of birth of")),
    "birth_city": (
        "born birth birthplace native raised childhood",
        (", born in", ", a native of", ", raised in"),
    ),
    "university": (
        "university college school student studied studies attended graduated graduate educated education alumnus",
        (", a graduate of", ", educated at", ", after years at"),
    ),
    "major": (
        "degree field major majored study studying studied subject course courses",
        (", with a degree in", ", after studying", ", whose field is"),
    ),
    "employer": (
        "work works worked working job employed employee company employer position career colleagues",
        (", employed by", ", on the staff of", ", with a job at"),
    ),
    "work_city": (
        "work works worked working job office workplace commutes career",
        (", with an office in", ", at work in", ", whose job is in"),
    ),
}
OPENERS = (
    "After As At Before During For From In It Later Now On Since Today Then There Through Throughout With While"
).split()
EXAMPLE = """Each line states a fact about a person, and the next sentence of the biography tells it in free words.

Full name: Ilka Maren Dvorak
Field of study: Hydrology
Ilka Maren Dvorak was always curious about rivers, which led her to study Hydrology.
City of birth: Tarnholm
She grew up in a small house in Tarnholm, the place of her birth.
Employer: Nordwell Instruments
Her colleagues at Nordwell Instruments know her as a careful worker.
Date of birth: March 3, 1871
She came into the world on March 3, 1871, as the youngest of five.
City of work: Osterby
Every morning she takes the tram to her office in Osterby.
University: Veldan College
Before all this, she spent four happy years at Veldan College.

Full name: Joris Anton Falk
Employer: Brightwater Mills
Joris Anton Falk has spent most of his career at Brightwater Mills.
University: Sankt Olaf Academy
As a student he went to Sankt Olaf Academy and made many friends.
Date of birth: June 9, 1864
His life began on June 9, 1864.
City of work: Linden Bay
His days of work are spent in Linden Bay, near the harbour.
Field of study: Ancient Law
There he took a degree in Ancient Law.
City of birth: Korvik
He is a native of Korvik and still visits it often.

"""
