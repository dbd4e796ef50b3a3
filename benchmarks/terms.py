"""How much processor time replacing the spellings of 10,000 terms takes: `python -m benchmarks.terms`.

Segments are those of a ten-hour transcript, in two texts: one of which each word is a term or a spelling, and the worst
that a tenant can do to itself, where every place of the text begins as every spelling does.
"""

from __future__ import annotations

import random
import string
import time

from benchmarks.table import machine, print_table

TERMS = 10_000
SEGMENTS = 30_000
WORDS_A_SEGMENT = 10


def main() -> None:
    from transcription.transcripts.spellings import Spellings

    draw = random.Random(1)
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(4, 12))) for _ in range(2 * TERMS)]
    spoken = [" ".join(draw.choices(words, k=WORDS_A_SEGMENT)) for _ in range(SEGMENTS)]
    usual = [(text.title(), [spelling]) for text, spelling in zip(words[::2], words[1::2], strict=True)]
    alike = [("一" * 50 + f"{n}", ["一" * (n % 57 + 2) + f"{n % 10}"]) for n in range(TERMS)]
    rows = []
    for title, terms, texts in (
        ("ten words, all terms or spellings", usual, spoken),
        ("one character sixty times, with which all spellings begin", alike, ["一" * 60] * SEGMENTS),
    ):
        spellings = Spellings.of(terms)
        began = time.process_time()
        for text in texts:
            spellings.replaced(text)
        rows.append([title, f"{time.process_time() - began:.1f} s"])
    print(machine())
    print_table(f"{TERMS:,} terms, {SEGMENTS:,} segments", ["a segment", "processor time"], rows)


if __name__ == "__main__":
    main()
