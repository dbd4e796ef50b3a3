"""The thread of a gpuworker that listens to the sentences of people who enrol their voices."""

from __future__ import annotations

import logging
import time
from typing import NoReturn

import numpy as np
from django.conf import settings
from redis.exceptions import RedisError

from transcription.diarization.types import DiarizationError
from transcription.diarization.voices import Sample, listen
from transcription.voices import sealing, sentences

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0


def serve() -> NoReturn:
    """Takes sentences, one after the other, and answers them until the process is ended."""
    redis = sentences.connection()
    while True:
        try:
            if (taken := sentences.take(redis)) is not None:
                name, pcm = taken
                sentences.answer(redis, name, heard(pcm))
        except RedisError as error:
            log.info("Nobody can enrol a voice while Redis is away (%s).", error)
            time.sleep(RETRY_SECONDS)
        except sealing.SecretLost:
            log.error("A sentence can't be read: the web process has another SECRET_KEY.")
        except Exception:
            log.exception("A sentence could not be answered")
            time.sleep(RETRY_SECONDS)


def heard(pcm: bytes) -> Sample | str:
    """Returns what is heard in a sentence, or why nothing is."""
    try:
        return listen(settings.WHISPER_WEIGHTS, np.frombuffer(pcm, "<i2"))
    except DiarizationError as error:
        log.warning("A sentence could not be listened to: %s", error)
        return str(error)
