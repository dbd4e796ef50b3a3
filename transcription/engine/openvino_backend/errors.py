"""What OpenVINO's errors say."""

from functools import partial

from transcription.engine import library_errors

NO_MEMORY = ("out of memory", "bad_alloc", "allocate")

translated = partial(library_errors.translated, NO_MEMORY)
