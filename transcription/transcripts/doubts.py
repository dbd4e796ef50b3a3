"""What speaks against the machine's text: reasons to listen to a segment once more, words, and speech without text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _

from transcription.engine.spans import TOLERANCE_SECONDS, without_text
from transcription.engine.types import Span
from transcription.models import Segment, Transcription

Kind = Literal["unlikely", "repetition", "no_speech", "no_voice", "guess", "stock_phrase"]

FIGURES = ("avg_logprob", "no_speech_prob", "non_speech_share", "temperature")
"""The fields of a segment, beside `text` and `corrected`, that are read here."""

MIN_AVG_LOGPROB = -0.8
MAX_NO_SPEECH_PROB = 0.6
MIN_NON_SPEECH_SHARE = 0.8
"""Whisper's timestamps are rounded, and often reach into the pause after a sentence."""

MIN_WORD_PROBABILITY = 0.5
MIN_GUESS_TEMPERATURE = 0.6
"""From here on Whisper's text is drawn rather than found."""

REPETITIONS = 4
LONGEST_LOOP_WORDS = 8
MIN_STOCK_SHARE = 0.6
"""How much of a segment a stock phrase must be: somebody may say it among other things."""

STOCK_PHRASES = (
    "thanks for watching", "thank you for watching", "please subscribe", "like and subscribe",
    "subtitles by the amara.org community", "subtitles by", "transcription by", "captions by",
    "gracias por ver el video", "subtítulos realizados por la comunidad de amara.org", "suscríbete al canal",
    "sous-titres réalisés par la communauté d'amara.org", "sous-titrage", "merci d'avoir regardé cette vidéo",
    "untertitel der amara.org-community", "untertitel im auftrag des zdf", "vielen dank fürs zuschauen",
    "sottotitoli creati dalla comunità amara.org", "sottotitoli e revisione a cura di qtss",
    "legendas pela comunidade amara.org", "napisy stworzone przez społeczność amara.org",
    "продолжение следует", "субтитры сделал", "субтитры создавал", "спасибо за просмотр",
    "ご視聴ありがとうございました", "チャンネル登録をお願いします", "시청해 주셔서 감사합니다",
    "谢谢观看", "感谢观看", "请不吝点赞", "字幕由amara.org社区提供", "字幕志愿者", "ترجمة نانسي قنقر",
)  # fmt: skip
"""What Whisper learned from subtitles of videos, and hears where nobody says it; without punctuation, in lower case."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason to listen again, with its figure.

    unlikely: the average log-probability of the tokens. repetition: how often the same words follow one another.
    no_speech: the probability that nobody speaks, to Whisper. no_voice: the share of its time in which the voice
    detector hears nobody. guess: the temperature. stock_phrase: the share of the text.
    """

    kind: Kind
    figure: float

    @property
    def sentence(self) -> str:
        return {
            "unlikely": _("The model is unsure of these words."),
            "repetition": _("The same words are repeated, which the model does where it is lost."),
            "no_speech": _("Perhaps nobody speaks here."),
            "no_voice": _("No voice is heard here."),
            "guess": _("The model guessed these words."),
            "stock_phrase": _("A phrase that the model likes to hear where nobody speaks."),
        }[self.kind]


def doubts_of(segment: Segment) -> list[Doubt]:
    """Returns what speaks against a segment; nothing against one that a person has corrected."""
    if segment.corrected:
        return []
    figures: dict[Kind, float] = {}
    if segment.avg_logprob < MIN_AVG_LOGPROB:
        figures["unlikely"] = segment.avg_logprob
    if (times := longest_loop(segment.text, REPETITIONS)) >= REPETITIONS:
        figures["repetition"] = times
    if segment.no_speech_prob > MAX_NO_SPEECH_PROB:
        figures["no_speech"] = segment.no_speech_prob
    if segment.non_speech_share >= MIN_NON_SPEECH_SHARE:
        figures["no_voice"] = segment.non_speech_share
    if segment.temperature >= MIN_GUESS_TEMPERATURE:
        figures["guess"] = segment.temperature
    if (share := stock_share(segment.text)) >= MIN_STOCK_SHARE:
        figures["stock_phrase"] = share
    return [Doubt(kind, round(figure, 3)) for kind, figure in figures.items()]


def is_unsure(segment: Segment, word: dict[str, Any]) -> bool:
    """Returns whether the model was unsure of a word of a segment that nobody has corrected."""
    return not segment.corrected and float(word.get("probability", 1.0)) < MIN_WORD_PROBABILITY


def missed_speech(row: Transcription, texts: Iterable[Span]) -> list[Span]:
    """Returns in seconds where the engine was sure of speech and there is still no text.

    texts: from when to when each segment lasts.
    """
    joined: list[Span] = []
    for start, end in without_text(row.missed_speech, texts) if row.missed_speech else ():
        if joined and start - joined[-1][1] < 2 * TOLERANCE_SECONDS:  # divided where a window ends
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def longest_loop(text: str, least: int = 2) -> int:
    """Returns how often the same one to LONGEST_LOOP_WORDS words, or ideographs, follow one another; 1 without any.

    least: 1 is returned, too, where it is not so often.
    """
    words = re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['’][^\W_]+)*", text.lower())
    if all(words.count(word) < least for word in set(words)):
        return 1
    most = 1
    for length in range(1, LONGEST_LOOP_WORDS + 1):
        run = 0
        for before, after in zip(words, words[length:], strict=False):
            run = run + 1 if before == after else 0
            most = max(most, run // length + 1)
    return most if most >= least else 1


def stock_share(text: str) -> float:
    """Returns the share of the text's letters that are in a stock phrase."""
    spoken = _letters(text)
    return max((len(phrase) / len(spoken) for phrase in _STOCK if phrase in spoken), default=0.0)


def _letters(text: str) -> str:
    return re.sub(r"\W", "", text.lower())


_STOCK = tuple(_letters(phrase) for phrase in STOCK_PHRASES)
