"""How long a search takes among 1,000,000 recordings of 1,000 tenants.

python -m tests.postgres python -m benchmarks.search [--recordings 1000000] [--words 120] [--searches 300]

One recording in five is Chinese. The first tenant has a twentieth of all recordings, the others share the rest. A
search is what GET /api/v1/search does but for HTTP: a page of 20 hits with their snippets.
"""

from __future__ import annotations

import argparse
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402 - models need the settings

from benchmarks.table import machine, print_table  # noqa: E402
from tenants import scope  # noqa: E402
from tenants.access import EDIT, Actor  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from transcription import search  # noqa: E402
from transcription.models import Recording, Segment, Status, Transcription  # noqa: E402
from transcription.models.search_entry import EDITION  # noqa: E402
from transcription.search import lookup  # noqa: E402
from transcription.search.folding import fold  # noqa: E402
from transcription.search.tokens import lexemes  # noqa: E402

TENANTS = 1000
VOCABULARY, CHARACTERS = 30_000, 3000
SEGMENTS = 4
PAGE = 20
MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "in")]


class Language:
    """Words, or characters, as often as Zipf says: the second half as often as the first, the third a third."""

    def __init__(self, units: list[str], between: str) -> None:
        self.units, self.between = units, between
        self.weights = list(accumulate(1 / rank for rank in range(1, len(units) + 1)))

    def say(self, random_: random.Random, count: int) -> str:
        return self.between.join(random_.choices(self.units, cum_weights=self.weights, k=count))


def languages(seed: random.Random) -> tuple[Language, Language]:
    words = {"".join(seed.choices(SYLLABLES, k=seed.choice((1, 2, 2, 3, 3, 4)))) for _ in range(3 * VOCABULARY)}
    shuffled = sorted(words, key=lambda word: (len(word), seed.random()))[:VOCABULARY]
    return Language(shuffled, " "), Language([chr(0x4E00 + n) for n in range(CHARACTERS)], "")


def customers() -> list[Tenant]:
    return Tenant.objects.bulk_create([Tenant(name=f"Tenant {number}") for number in range(TENANTS)])


def fill(tenants: list[Tenant], recordings: int, words: int) -> None:
    """Recordings, a transcription of each, its segments and its entry; the index is made at the end."""
    seed = random.Random(7)
    english, chinese = languages(seed)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
        cursor.execute("DROP INDEX entries_by_token")
        cursor.execute(
            "CREATE UNLOGGED TABLE given (id uuid, tenant uuid, at timestamptz, job uuid, folded text, tokens tsvector)"
        )
        with cursor.cursor.copy("COPY given FROM STDIN") as copy:
            for row in _given(tenants, recordings, words, seed, english, chinese):
                copy.write_row(row)
        _insert_rows(cursor, tenants[0])
        cursor.execute("CREATE INDEX entries_by_token ON transcription_entry USING gin (tokens) WITH (fastupdate=off)")
        cursor.execute("DROP TABLE given")
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _given(
    tenants: list[Tenant], recordings: int, words: int, seed: random.Random, english: Language, chinese: Language
) -> Iterator[tuple[Any, ...]]:
    for number in range(recordings):
        tenant = tenants[0] if number % 20 == 0 else tenants[1 + number % (TENANTS - 1)]
        language, count = (chinese, 2 * words) if seed.random() < 0.2 else (english, words)
        lines = [language.say(seed, count // SEGMENTS) for _ in range(SEGMENTS)]
        folded = "\n".join(fold(line) for line in (f"Recording {number}.mp3", *lines))
        tokens = " ".join(f"'{lexeme}'" for lexeme in lexemes(tenant.id, folded))
        yield (
            uuid.UUID(int=seed.getrandbits(128)), tenant.id, MORNING + timedelta(seconds=seed.random() * 3e7),
            uuid.UUID(int=seed.getrandbits(128)), folded, tokens,
        )  # fmt: skip


def _insert_rows(cursor: Any, tenant: Tenant) -> None:
    """From what was given; columns that a search does not read are those of one row made by Django."""
    with scope.bound(tenant.id):
        recording = Recording.objects.create(
            tenant=tenant, name="Recording.mp3", source="api", storage_key="nowhere", format="mp3", bytes=1,
            sha256="0" * 64, duration_seconds=60.0,
        )  # fmt: skip
        row = Transcription.objects.create(tenant=tenant, recording=recording, model="base", status=Status.COMPLETED)
        Segment.objects.create(tenant=tenant, transcription=row, index=0, start=0.0, end=1.0, text="")
    given = {"tenant_id": "tenant", "created_at": "at"}
    _copy(cursor, Recording, "given", given | {"id": "given.id"})
    _copy(cursor, Transcription, "given", given | {"id": "job", "recording_id": "given.id"})
    text = "substr(folded, strpos(folded, E'\\n') + 1)"
    lines = f"given, regexp_split_to_table({text}, E'\\n') WITH ORDINALITY line (line, n)"
    places = {"index": "n - 1", "start": "(n - 1) * 10", "end": "n * 10 - 1", "text": "line"}
    _copy(cursor, Segment, lines, places | {"tenant_id": "tenant", "transcription_id": "job"}, without=("id",))
    cursor.execute(
        "INSERT INTO transcription_entry"
        " (recording_id, tenant_id, created_at, transcription_id, folded, tokens, edition)"
        f" SELECT id, tenant, at, job, folded, tokens, {EDITION} FROM given"
    )
    with scope.bound(tenant.id):
        recording.delete()


def _copy(cursor: Any, model: Any, source: str, given: dict[str, str], without: tuple[str, ...] = ()) -> None:
    columns = [field.column for field in model._meta.concrete_fields if field.column not in without]
    listed = ", ".join(f'"{column}"' for column in columns)
    chosen = ", ".join(given.get(column, f'one."{column}"') for column in columns)
    table = model._meta.db_table
    one = f"(SELECT * FROM {table} LIMIT 1) one"
    cursor.execute(f"INSERT INTO {table} ({listed}) SELECT {chosen} FROM {one}, {source}")


def queries() -> dict[str, Callable[[random.Random], str]]:
    english, chinese = languages(random.Random(7))

    def words(low: int, high: int, count: int = 1) -> Callable[[random.Random], str]:
        return lambda seed: " ".join(seed.choices(english.units[low:high], k=count))

    def characters(count: int, high: int) -> Callable[[random.Random], str]:
        return lambda seed: "".join(seed.choices(chinese.units[:high], k=count))

    return {
        "a very common word": words(0, 10),
        "a common word": words(10, 300),
        "a rare word": words(5000, VOCABULARY),
        "three words": words(0, 300, 3),
        "three letters": lambda seed: seed.choice(english.units[300:])[:3],
        "two Chinese characters": characters(2, 50),
        "four Chinese characters": characters(4, 20),
        "a Chinese character": characters(1, 300),
        "the number of a recording": lambda seed: str(seed.randrange(100_000)),
    }


def find(tenant: Tenant, query: str) -> int:
    with scope.bound(tenant.id):
        terms = search.terms_of(query)
        page, _more = search.page(Actor(tenant, EDIT), terms, None, PAGE)
        return len(search.results(page, terms))


def measure(tenants: list[Tenant], ask: Callable[[random.Random], str], count: int) -> tuple[list[float], float]:
    """Milliseconds of each search in order, and how many hits a page had on average."""
    seed, times, hits = random.Random(11), [], 0
    for number in range(count + 20):
        tenant, query = seed.choice(tenants), ask(seed)
        began = time.perf_counter()
        found = find(tenant, query)
        if number >= 20:  # the first ones warm the connection and the caches
            times.append((time.perf_counter() - began) * 1000)
            hits += found
    return sorted(times), hits / count


def report(recordings: int, words: int, searches: int) -> None:
    print(f"{machine()}, {connection.vendor} {connection.cursor().connection.info.server_version}")
    began = time.monotonic()
    tenants = customers()
    fill(tenants, recordings, words)
    print(f"{recordings:,} recordings of {words} words in {time.monotonic() - began:.0f} s; {sizes()}")
    for title, among in (("Any tenant", tenants[1:]), (f"The largest, {recordings // 20:,} recordings", tenants[:1])):
        rows, every = [], list[float]()
        for name, ask in queries().items():
            times, hits = measure(among, ask, searches)
            every += times
            rows.append([name, *_figures(times), f"{hits:.1f}"])
        rows.append(["all", *_figures(sorted(every)), ""])
        print_table(title, ["query", "p50", "p95", "slowest", "hits a page"], rows)
    for query in (languages(random.Random(7))[0].units[0], "一丁"):
        print(f"\n{query}: {plan(tenants[1].id, query)}")


def _figures(ordered: list[float]) -> list[str]:
    at = [ordered[len(ordered) // 2], ordered[int(0.95 * len(ordered))], ordered[-1]]
    return [f"{value:.1f} ms" for value in at]


def sizes() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_size_pretty(pg_total_relation_size('transcription_entry')),"
            " pg_size_pretty(pg_relation_size('entries_by_token'))"
        )
        entries, index = cursor.fetchone()
    return f"entries {entries}, of which the index of tokens {index}"


def plan(tenant_id: UUID, query: str) -> str:
    with scope.bound(tenant_id):
        return lookup._indexed(tenant_id, search.terms_of(query))[:PAGE].explain(analyze=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=120)
    parser.add_argument("--searches", type=int, default=300)
    arguments = parser.parse_args()
    name = connection.creation.create_test_db(verbosity=0)
    try:
        report(arguments.recordings, arguments.words, arguments.searches)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
