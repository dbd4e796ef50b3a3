"""Which of pytest-xdist's processes runs a test: a file's tests stay together, and so do those of several files that
share something expensive, which is started once then.
"""

from __future__ import annotations

from typing import Any

import pytest

# By what they share: the files, or folders, of its tests. The first that fits counts.
GROUPS = {
    "the product with Whisper base": {
        "tests/portal/api/test_audio_tracks.py",
        "tests/portal/api/test_audit.py",
        "tests/portal/api/test_heard_again.py",
        "tests/portal/api/test_native.py",
        "tests/portal/api/test_openai_node.py",
        "tests/portal/api/test_openai_sdk.py",
        "tests/portal/api/test_realtime_sdk.py",
        "tests/portal/api/test_other_clients.py",
        "tests/portal/api/test_recording_end.py",
        "tests/portal/api/test_repeats.py",
        "tests/portal/api/test_speakers_heard.py",
        "tests/portal/web/test_api_examples.py",
        "tests/test_call.py",
        "tests/test_recovery.py",
        "tests/test_story.py",
    },
    "the product with the scripted engine": {"tests/browser/"},
    "the product that hostile people meet": {"tests/hostile/"},
    "engines with Whisper base": {
        "tests/transcription/engine/parity/test_exact.py",
        "tests/transcription/engine/test_failures.py",
        "tests/transcription/engine/test_languages.py",
        "tests/transcription/engine/test_non_speech.py",
        "tests/transcription/engine/test_overlaps.py",
        "tests/transcription/engine/test_short_context.py",
        "tests/transcription/engine/test_speech.py",
        "tests/transcription/engine/test_tail_windows.py",
        "tests/transcription/engine/test_version.py",
    },
    "the installation that is killed": {"tests/chaos/"},
    "openai-whisper's weights": {"tests/transcription/engine/parity/"},
}
PRODUCTS = {"stack", "scripted_stack", "product"}


def group_of(file: str) -> str:
    """Returns the name of the group that the file is of, or the file's own."""
    folder = file.rpartition("/")[0] + "/"
    return next((group for group, places in GROUPS.items() if places & {file, folder}), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    if config.getvalue("dist") != "loadfile":
        return None
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = lambda nodeid: group_of(nodeid.split("::")[0])
    return scheduler
