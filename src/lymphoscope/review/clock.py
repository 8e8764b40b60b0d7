"""Server time as text: UTC with milliseconds, so that text order is time order on every database."""

from datetime import UTC, datetime, timedelta


def now() -> str:
    """Return the present time, for example 2026-11-28T09:50:12.345Z."""
    return as_text(datetime.now(UTC))


def later(seconds: float) -> str:
    """Return the time in so many seconds; negative for the past."""
    return as_text(datetime.now(UTC) + timedelta(seconds=seconds))


def as_text(moment: datetime) -> str:
    """Return a moment as text in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_until(text: str) -> float:
    """Return the seconds from now until a time of this module; negative if it has passed."""
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()
