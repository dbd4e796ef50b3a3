"""What CTranslate2's errors say."""

from functools import partial

from transcription.engine import library_errors

NO_MEMORY = ("out of memory", "bad_alloc", "failed to allocate")
LOST = ("CUDA", "cuBLAS", "cuDNN")

translated = partial(library_errors.translated, NO_MEMORY, LOST)
