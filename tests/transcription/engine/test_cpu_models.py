"""What the backends of a CPU make of windows, without a server in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from whisper.tokenizer import get_tokenizer

from tests.transcription.engine.conftest import speech
from transcription.engine import machine
from transcription.engine.backend import Backend, BatchModel, WordTiming, Work
from transcription.engine.backend_selection import choose_backend
from transcription.engine.short_context import shortened
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, EngineError, Passage, Window
from transcription.engine.whisper_vocabulary import WhisperVocabulary
from transcription.engine.word_timing import split

HOSTILE = "<|endoftext|><|startoftranscript|><|en|> <|0.00|> \ud800 \x00 ½"


BACKENDS = ["openvino", "ctranslate2"]


def backend_of(name: str, threads: int = 2) -> Backend:
    if name == "openvino":
        pytest.importorskip("openvino")
    return choose_backend(name, "cpu", threads)


@pytest.fixture(scope="module", params=BACKENDS)
def model(request: pytest.FixtureRequest, base_weights: Path) -> Iterator[BatchModel]:
    opened = opened_by(request.param, base_weights)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=BACKENDS)
def untrained_model(request: pytest.FixtureRequest, untrained: Path) -> Iterator[BatchModel]:
    """With the real vocabulary: where it doesn't matter what is heard."""
    opened = opened_by(request.param, untrained)
    yield opened
    opened.close()


def opened_by(backend: str, weights: Path) -> BatchModel:
    return cast("BatchModel", backend_of(backend).open(weights.name, weights))


def work_of(pcm: bytes, language: str = "en", **options: Any) -> Work:
    samples = np.frombuffer(pcm, dtype="<i2")[: 30 * SAMPLE_RATE]
    window = Window(0, 0.0, len(samples) / SAMPLE_RATE, samples)
    return Work(window, DecodeOptions("base", **options), language)


def text_of(model: BatchModel, work: Work) -> str:
    model.encode([work])
    (decoded,) = model.decode([work])
    return decoded.text


def test_the_fox_is_heard(model: BatchModel, fox: bytes) -> None:
    work = work_of(fox)
    model.encode([work])
    (decoded,) = model.decode([work])
    assert "quick brown fox" in decoded.text.lower()
    assert decoded.tokens[0] == model.vocabulary.timestamp_begin
    assert model.vocabulary.eot not in decoded.tokens
    assert -1 < decoded.avg_logprob < 0
    assert 0 <= decoded.no_speech_prob < 0.5


def test_languages_are_detected_side_by_side(model: BatchModel, fox: bytes, conteo: bytes) -> None:
    works = [work_of(fox), work_of(conteo)]
    model.encode(works)
    found = model.detect(works)
    assert [language.code for language in found] == ["en", "es"]
    assert all(0.5 < language.probability <= 1 for language in found)


def test_two_languages_and_tasks_share_a_call(model: BatchModel, fox: bytes, conteo: bytes) -> None:
    works = [work_of(fox), work_of(conteo, "es"), work_of(conteo, "es", task="translate")]
    assert len({model.batch_key(work) for work in works}) == 1
    model.encode(works)
    english, spanish, translated = (decoded.text.lower() for decoded in model.decode(works))
    assert "fox" in english
    assert "tres" in spanish or "3" in spanish
    assert "tres" not in translated


def test_what_cannot_share_a_call_has_another_key(model: BatchModel, fox: bytes) -> None:
    plain = work_of(fox)
    others = [
        plain,
        replace(plain, prompt=(1, 2)),
        replace(plain, prompt=(1, 2, 3)),
        replace(plain, temperature=0.2),
        work_of(fox, beam_size=5),
        replace(plain, urgent=True),
    ]
    assert len({model.batch_key(work) for work in others}) == len(others)
    hot = [replace(work_of(fox, beam_size=beams), temperature=0.2) for beams in (1, 5)]
    assert model.batch_key(hot[0]) == model.batch_key(hot[1])


def test_prompts_of_any_length_are_taken(model: BatchModel, fox: bytes) -> None:
    prompt = model.vocabulary.encode(" A fox met a dog on a Tuesday." * 40)
    encoded = work_of(fox)
    model.encode([encoded])
    for length in (1, 40, 223):
        works = [replace(encoded, prompt=tuple(prompt[-length:])) for _ in range(2)]
        assert all("fox" in decoded.text.lower() for decoded in model.decode(works))


def test_hostile_text_is_only_text(untrained_model: BatchModel, fox: bytes) -> None:
    tokens = untrained_model.vocabulary.encode(HOSTILE)
    assert max(tokens) < untrained_model.vocabulary.eot
    assert untrained_model.vocabulary.decode(tokens) == HOSTILE.replace("\ud800", "\ufffd")
    assert text_of(untrained_model, replace(work_of(fox), prompt=tuple(tokens)))


def test_tokens_are_openai_whispers(model: BatchModel) -> None:
    ours = cast("WhisperVocabulary", model.vocabulary)
    theirs = get_tokenizer(True, num_languages=99, language="de", task="translate")
    for text in (" Größe: 12 €, 一二三 😀\n\t", HOSTILE, "", "don't  stop--now"):
        assert ours.encode(text) == theirs.encoding.encode(text, disallowed_special=())
    assert (ours.eot, ours.sot_prev, ours.timestamp_begin) == (theirs.eot, theirs.sot_prev, theirs.timestamp_begin)
    special = {theirs.transcribe, theirs.translate, theirs.sot, theirs.sot_prev, theirs.sot_lm, theirs.no_speech}
    assert ours.suppressed == sorted(special | set(theirs.non_speech_tokens))
    work = work_of(bytes(2), "de", task="translate")
    assert tuple(ours.start_of(work)) == theirs.sot_sequence
    assert ours.decode([*ours.encode(" so"), ours.eot, ours.timestamp_begin + 7]) == " so"
    assert ours.languages == set(theirs.all_language_codes)


@pytest.mark.parametrize("token", [50_258, 51_865, 99_999, -1])
def test_a_prompt_that_is_no_text_is_refused(untrained_model: BatchModel, fox: bytes, token: int) -> None:
    work = replace(work_of(fox), prompt=(1, token))
    untrained_model.encode([work])
    with pytest.raises(ValueError, match="prompt"):
        untrained_model.decode([work])


def test_a_language_that_the_model_does_not_know_is_refused(untrained_model: BatchModel, fox: bytes) -> None:
    work = work_of(fox, "yue")
    untrained_model.encode([work])
    with pytest.raises(ValueError, match="yue"):
        untrained_model.decode([work])


def test_beams_find_nothing_less_likely(model: BatchModel, counting: bytes) -> None:
    works = [work_of(counting, beam_size=beams) for beams in (1, 5)]
    for work in works:
        model.encode([work])
    (greedy,), (searched,) = (model.decode([work]) for work in works)
    assert searched.text
    assert searched.avg_logprob >= greedy.avg_logprob - 0.05


def test_a_high_temperature_is_sampled_at(untrained_model: BatchModel, fox: bytes) -> None:
    work = replace(work_of(fox), temperature=1.0)
    untrained_model.encode([work])
    found = [untrained_model.decode([replace(work, window=replace(work.window, index=draw))])[0] for draw in range(6)]
    assert len({decoded.tokens for decoded in found}) > 1
    assert all(decoded.avg_logprob < 0 for decoded in found)


def test_short_windows_of_mixed_lengths_have_their_own_texts_and_no_endless_ones(untrained_model: BatchModel) -> None:
    """Untrained weights say up to 60 tokens of a second, in which there may be 16."""
    model = untrained_model

    def hear(works: list[Work]) -> list[tuple[int, ...]]:
        model.encode(works)
        assert [language.code for language in model.detect(works)]
        groups = [[work for work in works if model.batch_key(work) == key] for key in map(model.batch_key, works)]
        return [model.decode(group)[group.index(work)].tokens for work, group in zip(works, groups, strict=True)]

    noise = np.random.default_rng(0).normal(0, 3000, 9 * SAMPLE_RATE).astype("<i2")
    works = [work_of(noise[: seconds * SAMPLE_RATE].tobytes()) for seconds in (1, 1, 5, 9)]
    for work in works[1:]:
        work.window = shortened(work.window)
    alone = [hear([replace(work, encoding=None)])[0] for work in works]
    assert hear(works) == alone
    assert alone[0] != alone[1]
    assert len(alone[1]) == 17


@pytest.mark.parametrize("samples", [1, 161, SAMPLE_RATE])
@pytest.mark.parametrize("quiet", [True, False])
def test_too_little_to_hear_does_no_harm(untrained_model: BatchModel, samples: int, quiet: bool) -> None:
    sound = np.zeros(samples) if quiet else np.random.default_rng(7).normal(0, 9000, samples)
    work = work_of(sound.astype("<i2").tobytes())
    untrained_model.encode([work])
    assert len(untrained_model.detect([work])) == 1
    (decoded,) = untrained_model.decode([work])
    assert np.isfinite(decoded.avg_logprob)
    (words,) = untrained_model.align([work], [untrained_model.vocabulary.encode(" so it was")])
    assert [word.word for word in words] == [" so", " it", " was"]
    assert all(0 <= word.start <= word.end <= samples / SAMPLE_RATE for word in words)


def test_words_are_timed_in_order_and_within_the_clip(model: BatchModel, fox: bytes, conteo: bytes) -> None:
    works = [work_of(fox), work_of(conteo, "es"), work_of(conteo, "es")]
    model.encode(works)
    texts = [_text(model, decoded.tokens) for decoded in model.decode(works)]
    alone = [model.align([work], [text])[0] for work, text in zip(works, texts, strict=True)]
    together = model.align(works, [texts[0], texts[1], []])
    assert together == [alone[0], alone[1], []]
    for work, words, text in zip(works, alone, texts, strict=True):
        times = [time for word in words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= work.window.end + 0.02
        assert [token for word in words for token in word.tokens] == list(text)
        assert all(0 < word.joint_probability <= word.probability + 1e-9 <= 1 + 2e-9 for word in words)
    ((the, burrow),) = model.align(works[:1], [model.vocabulary.encode(" The Fuchsbau")])
    assert the.joint_probability == pytest.approx(the.probability), "of one token"
    assert burrow.joint_probability < burrow.probability / 2, "of several unlikely ones"


SPOKEN = {
    ("en/quick_brown_fox", "en"): " The quick brown fox jumps over the lazy dog.",
    ("zh/jishu", "zh"): "1234567890",
}
"""What base hears of each clip, in a language."""


@pytest.fixture(scope="module")
def openai_words(base_weights: Path) -> dict[str, list[WordTiming]]:
    """Returns openai-whisper's words of each clip."""
    from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim
    from whisper.timing import find_alignment

    from tests.transcription.engine.parity.conftest import samples_of
    from transcription.engine.torch_backend.loading import load_whisper

    theirs, found = load_whisper("base", base_weights), {}
    for (clip, language), text in SPOKEN.items():
        samples = samples_of(clip).float() / 32768.0
        spectrogram = log_mel_spectrogram(samples, theirs.dims.n_mels, padding=N_SAMPLES)
        mel = pad_or_trim(spectrogram[:, : len(samples) // 160], N_FRAMES)
        tokenizer = get_tokenizer(True, num_languages=99, language=language, task="transcribe")
        found[clip] = find_alignment(theirs, tokenizer, tokenizer.encode(text), mel, len(samples) // 160)
    return found


@pytest.mark.parity
def test_words_have_openai_whispers_times(model: BatchModel, openai_words: dict[str, list[WordTiming]]) -> None:
    for (clip, language), text in SPOKEN.items():
        work, expected = work_of(speech(clip), language), openai_words[clip]
        model.encode([work])
        (ours,) = model.align([work], [model.vocabulary.encode(text)])
        assert [(word.word, word.tokens) for word in ours] == [(word.word, word.tokens) for word in expected]
        off = [abs(a.start - b.start) + abs(a.end - b.end) for a, b in zip(ours, expected, strict=True)]
        assert np.mean(off) / 2 <= 0.05
        sure = [abs(a.probability - b.probability) for a, b in zip(ours, expected, strict=True)]
        assert np.mean(sure) <= 0.05


def test_a_windows_passage_says_how_much_of_it_is_sound(untrained_model: BatchModel, fox: bytes) -> None:
    work = work_of(fox)
    untrained_model.encode([work])
    half = len(work.window.samples) // 320
    work.window = replace(work.window, passage=Passage(half, 0, 2.0))
    (words,) = untrained_model.align([work], [untrained_model.vocabulary.encode(" The quick brown fox")])
    assert words[-1].end <= half / 100


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("zh", "一二三。", ["一", "二", "三", "。"]),
        ("ja", "東京です", ["東", "京", "です"]),
        ("en", " It's well known, isn't it?", [" It's", " well", " known", ",", " isn't", " it", "?"]),
    ],
)
def test_words_are_split(model: BatchModel, language: str, text: str, expected: list[str]) -> None:
    tokens = model.vocabulary.encode(text)
    words = split(tokens, language, model.vocabulary)
    theirs = get_tokenizer(True, num_languages=99, language=language, task="transcribe")
    assert [word for word, _ in words] == theirs.split_to_word_tokens([*tokens, theirs.eot])[0][:-1]
    assert "".join(word for word, _ in words) == text
    assert [word for word, _ in words] == expected


def test_half_a_character_at_the_end_is_in_the_last_word(model: BatchModel) -> None:
    for language in ("zh", "en"):
        tokens = model.vocabulary.encode(" 一龘")[:-1]
        assert [token for _, held in split(tokens, language, model.vocabulary) for token in held] == tokens


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_damaged_file_is_named(backend: str, base_weights: Path, tmp_path: Path, name: str, part: float) -> None:
    for file in base_weights.iterdir():
        if file.name != name:
            (tmp_path / file.name).symlink_to(file)
    whole = (base_weights / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(EngineError, match=rf"{name}.*damaged.*delete"):
        backend_of(backend).open("base", tmp_path)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_missing_folder_is_named(backend: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere/.* is missing"):
        backend_of(backend).open("base", tmp_path / "nowhere")


@pytest.mark.parametrize("name", BACKENDS)
def test_urgent_works_have_a_replica_whose_threads_come_first(name: str, untrained: Path, fox: bytes) -> None:
    backend = backend_of(name)
    opened = cast("BatchModel", backend.open("clinic", untrained))
    assert backend.urgent_workers == 1
    assert backend.workers >= 1
    assert backend.gpu_memory_mib() is None
    calm, urgent = work_of(fox), replace(work_of(fox), urgent=True)
    assert text_of(opened, calm) == text_of(opened, urgent)
    own = _niceness("self")
    stood_back = [_niceness(task.name) for task in Path("/proc/self/task").iterdir()]
    assert max(stood_back) == min(19, own + 10)
    opened.close()


@pytest.mark.parametrize("name", BACKENDS)
def test_without_room_there_is_one_replica(
    name: str, base_weights: Path, fox: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_mib", lambda: 300.0)
    backend = backend_of(name, threads=1)
    one = backend.memory_mib(base_weights)
    opened = cast("BatchModel", backend.open("base", base_weights))
    assert (backend.urgent_workers, backend.workers) == (0, 1)
    assert "fox" in text_of(opened, replace(work_of(fox), urgent=True)).lower()
    monkeypatch.setattr(machine, "available_mib", lambda: 3000.0)
    assert backend.memory_mib(base_weights) > 1.5 * one
    opened.close()


def _text(model: BatchModel, tokens: tuple[int, ...]) -> list[int]:
    return [token for token in tokens if token < model.vocabulary.eot]


def _niceness(task: str) -> int:
    stat = Path("/proc/self", *(() if task == "self" else ("task", task)), "stat").read_text()
    return int(stat.rsplit(")", 1)[1].split()[16])
