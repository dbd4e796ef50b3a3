"""The URLs of share links. Whatever else begins with a link answers as a link that leads nowhere."""

from __future__ import annotations

from django.urls import path

from portal.shared import comments, corrections, embed, live, pages, sound

app_name = "shared"
urlpatterns = [
    path("<str:secret>/", pages.page, name="page"),
    path("<str:secret>/lines", pages.lines, name="lines"),
    path("<str:secret>/state", live.state, name="state"),
    path("<str:secret>/comments/", comments.comments, name="comments"),
    path("<str:secret>/comments/<uuid:comment_id>/", comments.comment, name="comment"),
    path("<str:secret>/lines/<int:index>/", corrections.correct, name="line"),
    path("<str:secret>/transcript.<slug:format>", pages.download, name="download"),
    path("<str:secret>/sound", sound.sound, name="sound"),
    path("<str:secret>/peaks.json", sound.peaks, name="peaks"),
    path("<str:secret>/embed", embed.embed, name="embed"),
    path("<str:secret>/captions.vtt", embed.captions, name="captions"),
    path("<str:secret>/<path:rest>", pages.elsewhere),
]
