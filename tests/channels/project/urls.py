"""The addresses of the views. Websockets have theirs in ``live``."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("page/", views.page, name="page"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("publish/", views.publish, name="publish"),
    path("publish-async/", views.publish_async),
]
