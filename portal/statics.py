"""The portal's own files, named by their content so that browsers may keep them for ever."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Imports between JavaScript modules are named by content too."""

    support_js_module_import_aggregation = True
