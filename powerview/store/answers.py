"""What InfluxDB's answers mean for whoever runs PowerView: StoreAway, with the setting to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from powerview.settings import Settings
from powerview.store.protocol import StoreAway


@contextmanager
def reporting_influxdb(settings: Settings, what: str) -> Iterator[None]:
    """Turn what InfluxDB's client raises into StoreAway, naming the variable to look at; `what` is being worked on."""
    from influxdb_client.client.exceptions import InfluxDBError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except InfluxDBError as error:
        if getattr(error, "status", None) == 0:  # the client's way of telling that TLS failed
            raise StoreAway(_no_answer(settings, message(error))) from error
        raise StoreAway(_refusal(settings, what, error)) from error
    except (HTTPError, OSError) as error:
        raise StoreAway(_no_answer(settings, _short(error))) from error
    except (ValueError, TypeError, AttributeError) as error:  # an answer that the client cannot read
        raise StoreAway(not_influxdb(settings, _short(error))) from error


def _no_answer(settings: Settings, said: str) -> str:
    return (
        f"InfluxDB does not answer at {settings.influxdb_host} ({said}): is it running, and is INFLUXDB_HOST right? "
        f"(set in {settings.env_file})"
    )


def _refusal(settings: Settings, what: str, error) -> str:
    status = getattr(error, "status", None) or getattr(error.response, "status", None)
    host, where = settings.influxdb_host, f"set in {settings.env_file}"
    said = message(error)
    if status is None:  # raised by the client, which looks for the organisation's id before it makes a bucket
        return (
            f"{what} cannot be created in InfluxDB at {host}: INFLUXDB_ORG {settings.influxdb_org!r} is missing, or "
            f"the token in INFLUXDB_ADMIN_TOKEN may not see it ({where}): {said}"
        )
    if status == 401:
        return f"InfluxDB at {host} does not accept the token in INFLUXDB_ADMIN_TOKEN (401, {where})"
    if status == 403:
        return f"the token in INFLUXDB_ADMIN_TOKEN has no access to {what} (403, {where}): {said}"
    if status == 404:
        return (
            f"InfluxDB at {host} does not find {what} of INFLUXDB_ORG {settings.influxdb_org!r} (404, {where}): {said}"
        )
    if status in (429, 503):
        after = (getattr(error, "headers", None) or {}).get("Retry-After")
        return f"InfluxDB at {host} is busy ({status}{f', asks to retry in {after} s' if after else ''}): {said}"
    if status and status >= 500:
        return f"InfluxDB at {host} failed ({status}): {said}. Its own log shows why"
    return not_influxdb(settings, f"{status} {said}")


def not_influxdb(settings: Settings, said: object) -> str:
    return (
        f"what answers at {settings.influxdb_host} is not InfluxDB 2 ({said}): check INFLUXDB_HOST "
        f"(set in {settings.env_file})"
    )


def message(error) -> str:
    text = str(getattr(error, "message", None) or getattr(error, "reason", None) or error)
    return " ".join(text.split())[:300]


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
