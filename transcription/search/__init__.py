"""Full-text search in the names and transcripts of a tenant's recordings, in every language, newest first."""

from transcription.models import SearchEntry
from transcription.search.folding import LONGEST_QUERY, Term, terms_of
from transcription.search.highlighting import TextSpan, excerpt
from transcription.search.index import index_missing, index_recording, rebuild, remove_recording
from transcription.search.lookup import (
    Cursor,
    is_matching,
    matches_among_some,
    matching_recordings,
    names_containing,
    page,
)
from transcription.search.results import Match, SearchResult, matches_in, results

__all__ = [
    "LONGEST_QUERY",
    "Cursor",
    "Match",
    "SearchEntry",
    "SearchResult",
    "Term",
    "TextSpan",
    "excerpt",
    "index_missing",
    "index_recording",
    "is_matching",
    "matches_among_some",
    "matches_in",
    "matching_recordings",
    "names_containing",
    "page",
    "rebuild",
    "remove_recording",
    "results",
    "terms_of",
]
