"""Settings of the project; what differs between machines comes from the environment."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
# One of your own keeps people signed in when the server is started again.
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()

INSTALLED_APPS = [
    "board.cards",
    "htmx_ws_channels",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
INTERNAL_IPS = ["127.0.0.1"]  # here, with DEBUG, the login says who there is in the demo

ROOT_URLCONF = "board.urls"
ASGI_APPLICATION = "board.asgi.application"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "board"
LOGOUT_REDIRECT_URL = "login"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", BASE_DIR / "board.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"

# A checkout of htmx-ws has files of every htmx; there, none is asked of the CDN.
HTMX = int(os.environ.get("HTMX", "4"))
NPM = (BASE_DIR / "../../tests/npm/node_modules").resolve()
FOLDERS = ["htmx-2/dist", "htmx-ext-ws/dist"] if HTMX == 2 else ["htmx-4/dist", "htmx-4/dist/ext"]
STATICFILES_DIRS = [("htmx", NPM / folder) for folder in FOLDERS if NPM.is_dir()]

HTMX_WS = {
    "LIVE": "board.cards.live.live",
    "BACKEND": os.environ.get("HTMX_WS_BACKEND"),  # None: rooms are of one process
    "HTMX": HTMX,
    "STATIC": "htmx/" if NPM.is_dir() else None,
}
