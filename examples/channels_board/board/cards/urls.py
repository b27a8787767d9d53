"""Addresses of the board."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("", views.board, name="board"),
    path("cards/<int:pk>/edit/", views.edit, name="edit"),
]
