from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FetchesConfig(AppConfig):
    name = "transcription.fetches"
    label = "fetches"
    verbose_name = _("Downloads by URL")
