"""Serves the portal's own files, named by their content so that browsers may keep them for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO, Any

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

CHUNK_BYTES = 64 * 1024


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names imports between JavaScript modules by content too."""

    support_js_module_import_aggregation = True


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise in the event loop: its own middleware is synchronous, and makes all behind it so."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if self.autorefresh:
            found = await sync_to_async(self.find_file)(request.path_info)
        else:
            found = self.files.get(request.path_info)
        if found is None:
            return await self.get_response(request)  # type: ignore[no-any-return]
        return await sync_to_async(_answer)(found, request)


def _answer(found: Any, request: HttpRequest) -> HttpResponseBase:
    """Returns WhiteNoise's answer, whose file is read as it is sent."""
    answer = found.get_response(request.method, request.META)
    response = StreamingHttpResponse(_chunks(answer.file), status=int(answer.status))
    del response["content-type"]
    for name, value in answer.headers:
        response[name] = value
    return response


async def _chunks(file: IO[bytes] | None) -> AsyncIterator[bytes]:
    if file is None:
        return
    try:
        while chunk := await sync_to_async(file.read)(CHUNK_BYTES):
            yield chunk
    finally:
        file.close()
