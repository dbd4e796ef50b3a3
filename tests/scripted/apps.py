"""Starts the scripted engine where the product starts its own."""

from __future__ import annotations

import sys

from django.apps import AppConfig


class ScriptedEngineConfig(AppConfig):
    """Replaces the gpuworker's engine command and what it hears of voices, and fetches no weights."""

    name = "tests.scripted"
    label = "scripted_engine"

    def ready(self) -> None:
        if "gpuworker" in sys.argv:
            from tests.scripted.diarization import ScriptedDiarization, scripted_listen
            from transcription.worker import gpu_worker, speaker_finder, voice_listener

            plain = gpu_worker.engine_command()
            ours = [sys.executable, "-m", "tests.scripted.engine", *plain[plain.index("serve") :]]
            gpu_worker.engine_command = lambda: ours
            vars(speaker_finder)["DiarizationProcess"] = ScriptedDiarization
            vars(voice_listener)["listen"] = scripted_listen
        if "up" in sys.argv:
            from portal.supervisor import preparation

            preparation.fetch_weights = lambda: None
