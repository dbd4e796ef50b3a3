"""The product's own settings, with the scripted engine and passwords that are hashed fast."""

from portal.settings import *  # noqa: F403
from portal.settings import INSTALLED_APPS as INSTALLED_APPS

INSTALLED_APPS += ["tests.scripted.apps.ScriptedEngineConfig"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # of people whom the product's own settings made
]
