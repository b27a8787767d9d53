"""Fields for dates and times: which texts they hold, and what these measure."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

__all__ = ["BASES", "FORMS", "STEPS", "measure", "sanitised"]

_DATE: Final = r"(\d{4,})-(\d\d)-(\d\d)"
_TIME: Final = r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,3}))?)?"

#: How each kind of field writes its value.
FORMS: Final = {
    "date": _DATE,
    "month": r"(\d{4,})-(\d\d)",
    "week": r"(\d{4,})-W(\d\d)",
    "time": _TIME,
    "datetime-local": rf"{_DATE}[T ]{_TIME}",
}
#: What a step of 1 is, in what ``measure`` gives, and how many it is when none is said.
STEPS: Final = {
    "date": (86400.0, 1.0),
    "month": (1.0, 1.0),
    "week": (604800.0, 1.0),
    "time": (1.0, 60.0),
    "datetime-local": (1.0, 60.0),
}
#: Where steps are counted from, when it is not 0: the first week begins on a Monday.
BASES: Final = {"week": -259200.0}
_LATEST: Final = 9999  # years after which Python's calendar ends


def measure(kind: str, text: str) -> float | None:
    """Give what a text measures, in seconds or months; None when the field cannot hold it."""
    found = re.fullmatch(FORMS[kind], text)
    if found is None:
        return None
    numbers = [int(each or 0) for each in found.groups()]
    try:
        if kind == "month":
            date(_year(numbers[0]), numbers[1], 1)
            return float(numbers[0] * 12 + numbers[1] - 1970 * 12 - 1)
        if kind == "week":
            return _seconds(date.fromisocalendar(_year(numbers[0]), numbers[1], 1))
        day = 0.0
        if kind != "time":
            day = _seconds(date(_year(numbers[0]), *numbers[1:3]))
        if kind == "date":
            return day
    except ValueError:
        return None
    hours, minutes, seconds = numbers[-4:-1]
    thousandths = int((found.groups()[-1] or "0").ljust(3, "0"))
    return day + hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _year(year: int) -> int:
    return min(year, _LATEST)


def _seconds(day: date) -> float:
    return (datetime(day.year, day.month, day.day) - datetime(1970, 1, 1)).total_seconds()


def sanitised(kind: str, text: str) -> str:
    """Give the text that a field holds for one that it is given: the same, or none."""
    if measure(kind, text) is None:
        return ""
    if kind != "datetime-local":
        return text
    day, clock = re.split("[T ]", text)
    whole, _, part = clock.partition(".")
    part = part.rstrip("0")
    if not part:
        return f"{day}T{whole.removesuffix(':00') if whole.count(':') == 2 else whole}"
    return f"{day}T{whole}.{part}"
