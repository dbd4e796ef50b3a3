"""Full-text search over a tenant's recordings: names and transcripts, in every language, newest first."""

from transcription.models import SearchEntry
from transcription.search.folding import LONGEST_QUERY, Term, terms_of
from transcription.search.hits import Hit, Match, hits
from transcription.search.index import forget, note, note_missing, rebuild
from transcription.search.lookup import Place, found_recordings, page
from transcription.search.marks import Part

__all__ = [
    "LONGEST_QUERY",
    "Hit",
    "Match",
    "Part",
    "Place",
    "SearchEntry",
    "Term",
    "forget",
    "found_recordings",
    "hits",
    "note",
    "note_missing",
    "page",
    "rebuild",
    "terms_of",
]
