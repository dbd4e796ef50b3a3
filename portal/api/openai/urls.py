from django.urls import path

from portal.api.openai import views

urlpatterns = [
    path("audio/transcriptions", views.transcriptions, name="openai_transcriptions"),
    path("audio/translations", views.translations, name="openai_translations"),
    path("models", views.models, name="openai_models"),
    path("models/<path:name>", views.model, name="openai_model"),
]
