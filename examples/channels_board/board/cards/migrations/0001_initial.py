"""The table of cards, as ``manage.py makemigrations`` wrote it."""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Card",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "title",
                    models.CharField(
                        error_messages={"unique": "There is a card with this title already."},
                        max_length=80,
                        unique=True,
                        validators=[django.core.validators.MinLengthValidator(3)],
                    ),
                ),
                (
                    "colour",
                    models.CharField(
                        choices=[
                            ("sand", "Sand"),
                            ("sky", "Sky"),
                            ("mint", "Mint"),
                            ("rose", "Rose"),
                        ],
                        default="sand",
                        max_length=8,
                    ),
                ),
                (
                    "column",
                    models.CharField(
                        choices=[("todo", "To do"), ("doing", "Doing"), ("done", "Done")],
                        default="todo",
                        max_length=8,
                    ),
                ),
                ("moved", models.DateTimeField(editable=False)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cards",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("moved", "pk"),
            },
        ),
    ]
