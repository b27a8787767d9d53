"""The settings: everything of Django's that htmx-ws has to do with is installed.

The database is a file, because handlers have threads of their own: connections to a database in
memory would be as many databases, or wait for each other's tables.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import django

HERE = Path(__file__).parent

SECRET_KEY = "the secret of these tests"
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
ROOT_URLCONF = "tests.channels.project.urls"
ASGI_APPLICATION = "tests.channels.project.asgi.application"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "htmx_ws_channels",
    "tests.channels.project",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "TEST": {"NAME": Path(tempfile.gettempdir()) / f"htmx-ws-{os.getpid()}.sqlite3"},
    },
    "other": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "TEST": {"NAME": Path(tempfile.gettempdir()) / f"htmx-ws-{os.getpid()}-other.sqlite3"},
    },
}
DATABASE_ROUTERS: list[str] = []
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.template.context_processors.csrf",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [HERE / "jinja2_templates"],
        "OPTIONS": {"environment": "tests.channels.project.jinja2.environment"},
    },
]
if django.VERSION < (5, 0):  # else a form that is rendered warns of what it will be
    FORM_RENDERER = "django.forms.renderers.DjangoDivFormRenderer"
STATIC_URL = "/static/"
USE_TZ = True
LANGUAGE_CODE = "en"
HTMX_WS = {"LIVE": "tests.channels.project.live.live"}
