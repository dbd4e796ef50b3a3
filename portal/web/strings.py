"""The texts of `static/js`, which `strings.js` reads from the page and fills {names} in."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PAGE_STRINGS: dict[str, Promise] = {
    "close": _("Close"),
    "open": _("Open"),
    "retry": _("Try again"),
    "signed_out": _("You are signed out. Sign in on another tab, then try again."),
    "sign_in": _("Sign in"),
    "other_tenant": _(
        "This page belongs to {tenant}, but you work in another organisation now. Switch back, then try again."
    ),
    "copied": _("Copied."),
    "copy_failed": _("Could not copy. Select the text and copy it by hand."),
    "status_queued": _("Waiting for its turn"),
    "status_running": _("Transcribing"),
    "status_completed": _("The transcript is ready."),
    "status_failed": _("The transcription failed."),
    "status_cancelled": _("The transcription was cancelled."),
    "progress_percent": _("{percent} percent done"),
    "queue_next": _("Next in line"),
    "queue_position": _("Number {position} in line"),
    "queue_eta": _("ready in {wait}"),
    "queue_unknown": _("It starts as soon as the engine is free."),
    "wait_moment": _("less than a minute"),
    "wait_minutes": _("about {minutes} min"),
    "upload_waiting": _("Waiting to be sent"),
    "upload_checking": _("Checking"),
    "upload_connecting": _("Connecting"),
    "upload_rate": _("{sent} of {size}, {rate} a second"),
    "upload_pause": _("Pause {name}"),
    "upload_resume": _("Continue {name}"),
    "upload_paused": _("Paused. It goes on where it stopped, for a day, also after the page was closed."),
    "upload_lost": _("The connection broke. Trying again…"),
    "upload_accepting": _("Sent. Checking the audio…"),
    "upload_done": _("Accepted"),
    "upload_done_named": _("{name} was accepted."),
    "upload_cancel": _("Cancel {name}"),
    "upload_cancelled": _("{name} was cancelled."),
    "upload_progress": _("Upload of {name}"),
    "upload_anyway": _("Send anyway"),
    "upload_empty": _("The file is empty."),
    "upload_too_large": _("This file has {size}; your limit is {limit}. Split or compress it."),
    "upload_too_long": _("It is {length} long; your organisation allows {limit}. Split it."),
    "upload_over_quota": _("It needs {needed} min, {left} are left this month. The quota resets on {date}."),
    "upload_broken": _("The connection broke. The file is still here: try again."),
    "upload_refused": _("The server could not take it ({status}). Try again in a moment."),
    "recording_name": _("Recording {when}"),
    "mic_recording": _("Recording"),
    "mic_paused": _("Paused"),
    "mic_ready": _("Listen to it, then send it"),
    "mic_pause": _("Pause"),
    "mic_resume": _("Continue"),
    "mic_denied": _("The browser did not allow the microphone. Allow it in the address bar and try again."),
    "mic_missing": _("No microphone was found. Connect one and try again."),
    "player_play": _("Play"),
    "player_pause": _("Pause"),
    "player_at": _("{time} of {length}"),
    "player_failed": _("The audio can’t be played in this browser."),
    "edit_label": _("Text at {time}"),
    "edit_save": _("Save"),
    "edit_cancel": _("Cancel"),
    "edit_saved": _("Saved."),
    "edit_undo": _("Undo"),
    "edit_undone": _("The change was undone."),
    "edit_failed": _("It was not saved. What you typed is still here: try again."),
    "edit_first": _("Save or cancel the segment that you are correcting first."),
    "edit_now": _("It now reads:"),
    "edit_mine": _("Save mine instead"),
    "edit_theirs": _("Keep theirs"),
    "found": _("{number} of {total}"),
    "found_none": _("Not found"),
}


def page_strings() -> dict[str, str]:
    """Returns the texts in the active language."""
    return {key: str(text) for key, text in PAGE_STRINGS.items()}
