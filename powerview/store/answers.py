"""What InfluxDB's answers mean for whoever runs PowerView: StoreAway, with the setting to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from powerview.settings import Settings
from powerview.store.protocol import StoreAway


@contextmanager
def reporting_influxdb(settings: Settings, what: str) -> Iterator[None]:
    """Turn what InfluxDB's client raises into StoreAway, naming the variable to look at; `what` is being worked on."""
    from influxdb_client.client.exceptions import InfluxDBError
    from influxdb_client.client.flux_csv_parser import FluxQueryException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except InfluxDBError as error:
        if getattr(error, "status", None) == 0:  # how the client reports that TLS failed
            raise StoreAway(_no_tls(settings, str(error.reason))) from error
        raise StoreAway(_refusal(settings, what, error)) from error
    except FluxQueryException as error:
        raise StoreAway(broken_off(settings, str(error.message))) from error
    except (HTTPError, OSError) as error:
        raise StoreAway(_no_answer(settings, _short(error))) from error
    except (ValueError, TypeError, AttributeError) as error:  # an answer that the client cannot read
        raise StoreAway(not_influxdb(settings, _short(error))) from error


def _no_tls(settings: Settings, reason: str) -> str:
    return (
        f"no secure connection to InfluxDB at {settings.influxdb_host} ({' '.join(reason.split())[:200]}): is the name "
        f"in INFLUXDB_HOST that of its certificate, is the authority that signed it known to this machine, and does it "
        f"speak https? (set in {settings.env_file})"
    )


def _no_answer(settings: Settings, reason: str) -> str:
    return (
        f"InfluxDB does not answer at {settings.influxdb_host} ({reason}): is it running, and is INFLUXDB_HOST right? "
        f"(set in {settings.env_file})"
    )


def _refusal(settings: Settings, what: str, error) -> str:
    status = getattr(error, "status", None) or getattr(error.response, "status", None)
    host, where = settings.influxdb_host, f"set in {settings.env_file}"
    answer = message(error)
    if status is None:  # raised by the client, which looks for the organisation's id before it makes a bucket
        return (
            f"{what} cannot be created in InfluxDB at {host}: INFLUXDB_ORG {settings.influxdb_org!r} is missing, or "
            f"the token in INFLUXDB_ADMIN_TOKEN may not see it ({where}): {answer}"
        )
    if status == 401:
        return f"InfluxDB at {host} does not accept the token in INFLUXDB_ADMIN_TOKEN (401, {where})"
    if status == 403:
        return f"the token in INFLUXDB_ADMIN_TOKEN has no access to {what} (403, {where}): {answer}"
    if status == 404 and _is_influxdbs(error):
        return (
            f"InfluxDB at {host} does not find {what} of INFLUXDB_ORG {settings.influxdb_org!r} (404, {where}): "
            f"{answer}"
        )
    if status in (429, 503):
        after = (getattr(error, "headers", None) or {}).get("Retry-After")
        return f"InfluxDB at {host} is busy ({status}{f', asks to retry in {after} s' if after else ''}): {answer}"
    if status and status >= 500:
        return f"InfluxDB at {host} failed ({status}): {answer}. Its own log shows why"
    return not_influxdb(settings, f"{status} {answer}")


def broken_off(settings: Settings, reason: str) -> str:
    """The sentence for an answer that ended before it was whole."""
    reason = " ".join(reason.split())[:300]
    return f"InfluxDB at {settings.influxdb_host} failed while it answered: {reason}. Its own log shows why"


def _is_influxdbs(error) -> bool:
    # InfluxDB's errors are JSON with a code (https://docs.influxdata.com/influxdb/v2/api/#tag/Response-codes); a page
    # of another server is not.
    try:
        return "code" in json.loads(getattr(error, "body", None) or error.response.data)
    except (ValueError, TypeError, AttributeError):
        return False


def not_influxdb(settings: Settings, answer: object) -> str:
    """The sentence for a server that is something else."""
    return (
        f"what answers at {settings.influxdb_host} is not InfluxDB 2 ({answer}): check INFLUXDB_HOST "
        f"(set in {settings.env_file})"
    )


def message(error) -> str:
    """What InfluxDB's answer says, on one line, 300 characters at most."""
    text = str(getattr(error, "message", None) or getattr(error, "reason", None) or error)
    return " ".join(text.split())[:300]


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
