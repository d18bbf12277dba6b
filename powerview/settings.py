"""The settings: the environment and `.env`, read once into one frozen dataclass. Nobody else reads os.environ."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from dotenv.parser import parse_stream

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"

# Every variable with its default; None means "not set". docs/install.md and .env.sample name the same (tested).
DEFAULTS: dict[str, str | None] = {
    "INFLUXDB_HOST": None,
    "INFLUXDB_URL": "http://influxdb:8086",
    "INFLUXDB_ADMIN_TOKEN": None,
    "INFLUXDB_ORG": "powerview",
    "INFLUXDB_USERNAME": "admin",
    "INFLUXDB_PASSWORD": None,
    "INFLUXDB_BUCKET": "powerview",
    "GRAFANA_URL": "http://localhost:8088",
    "GRAFANA_USERNAME": "admin",
    "GRAFANA_PASSWORD": None,
    "POWERVIEW_DATA_DIR": "/srv/sftpgo/data",
    "POWERVIEW_LOG_DIR": "/srv/sftpgo/logs",
    "POWERVIEW_STATE_DIR": "/srv/sftpgo/state",
    "POWERVIEW_TIMEZONE": "Europe/Paris",
    "POWERVIEW_ISOLATION": "team",
    "POWERVIEW_LANGUAGE": "en",
    "POWERVIEW_ALERT_URLS": None,
    "POWERVIEW_PING_URL": None,
    # of compose and Caddy alone
    "POWERVIEW_DOMAIN": None,
    "POWERVIEW_ACME_EMAIL": None,
}

# Variables of earlier versions, which nothing reads any more → what to set instead.
REPLACED = {
    "POWERVIEW_ALERT_EMAIL": "add mailtos://USER:PASSWORD@MAILSERVER/?from=SENDER&to=ADDRESS to POWERVIEW_ALERT_URLS",
    "POWERVIEW_ALERT_WEBHOOK": "add the address to POWERVIEW_ALERT_URLS (jsons://HOST/PATH posts to https://HOST/PATH)",
    "POWERVIEW_SMTP_HOST": "it is MAILSERVER in the mailtos:// address of POWERVIEW_ALERT_URLS",
    "POWERVIEW_SMTP_USER": "it is USER in the mailtos:// address of POWERVIEW_ALERT_URLS",
    "POWERVIEW_SMTP_PASSWORD": "it is PASSWORD in the mailtos:// address of POWERVIEW_ALERT_URLS",
    "POWERVIEW_SMTP_FROM": "it is SENDER in the mailtos:// address of POWERVIEW_ALERT_URLS",
}
LANGUAGES = ("en", "fr")


class SettingsError(Exception):
    """A setting is missing or wrong. The text names it, what is wrong with it, and where to set it."""


@dataclass(frozen=True)
class Settings:
    """One run's settings; the names are those of the variables. Paths are absolute, secrets are not in the repr."""

    influxdb_host: str | None
    influxdb_url: str = field(repr=False)  # require_grafana checks this, grafana_url and isolation
    influxdb_admin_token: str | None = field(repr=False)
    influxdb_org: str
    influxdb_bucket: str
    grafana_url: str = field(repr=False)
    grafana_username: str
    grafana_password: str | None = field(repr=False)
    data_dir: Path
    log_dir: Path
    state_dir: Path
    timezone: ZoneInfo
    isolation: str
    language: str  # as it is set: require_language checks it
    alert_urls: tuple[str, ...] = field(repr=False)  # these two as they are set: require_notifications checks them
    ping_url: str | None = field(repr=False)
    replaced: tuple[str, ...]  # a sentence for each variable of an earlier version that still has a value
    env_file: Path


def load_settings(environment: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> Settings:
    """Read the settings: what the environment says wins over `.env`, an empty value means "not set".

    Raises SettingsError for a value that cannot be used.
    """
    environment = os.environ if environment is None else environment
    from_file = _read(env_file)
    values = _merged(environment, from_file)
    where = f"set it in {env_file} or in the environment"
    return Settings(
        influxdb_host=_url(values, "INFLUXDB_HOST", where),
        influxdb_url=_stripped(values["INFLUXDB_URL"]),
        influxdb_admin_token=_header_safe(values, "INFLUXDB_ADMIN_TOKEN", where),
        influxdb_org=values["INFLUXDB_ORG"],
        influxdb_bucket=values["INFLUXDB_BUCKET"],
        grafana_url=_stripped(values["GRAFANA_URL"]),
        grafana_username=values["GRAFANA_USERNAME"],
        grafana_password=values["GRAFANA_PASSWORD"],
        data_dir=_folder(values, "POWERVIEW_DATA_DIR", env_file),
        log_dir=_folder(values, "POWERVIEW_LOG_DIR", env_file),
        state_dir=_folder(values, "POWERVIEW_STATE_DIR", env_file),
        timezone=_timezone(values["POWERVIEW_TIMEZONE"], where),
        isolation=values["POWERVIEW_ISOLATION"],
        language=values["POWERVIEW_LANGUAGE"],
        alert_urls=tuple((values["POWERVIEW_ALERT_URLS"] or "").split()),
        ping_url=values["POWERVIEW_PING_URL"],
        replaced=_replaced(environment, from_file, env_file),
        env_file=env_file,
    )


def require_influxdb(settings: Settings) -> None:
    """Raise SettingsError, naming the variable, if an InfluxDB is named without a token, or a token without one."""
    if settings.influxdb_admin_token and not settings.influxdb_host:
        raise SettingsError(
            f"INFLUXDB_ADMIN_TOKEN is set, but INFLUXDB_HOST is not, so readings would go to line protocol files: set "
            f"INFLUXDB_HOST in {settings.env_file} or in the environment (http://localhost:8086), or unset the token."
        )
    if settings.influxdb_host and not settings.influxdb_admin_token:
        raise SettingsError(
            f"INFLUXDB_ADMIN_TOKEN is not set, but INFLUXDB_HOST is ({settings.influxdb_host}): "
            f"set the token in {settings.env_file} or in the environment (InfluxDB's web page makes one: "
            f"Load Data, API Tokens), or unset INFLUXDB_HOST to write line protocol files."
        )


def require_grafana(settings: Settings) -> None:
    """Raise SettingsError if a setting of the provisioning lane cannot be used.

    Not load_settings: the ingest lane knows no Grafana, and must not stop for it.
    """
    where = _where(settings)
    _url({"GRAFANA_URL": settings.grafana_url}, "GRAFANA_URL", where)
    _url({"INFLUXDB_URL": settings.influxdb_url}, "INFLUXDB_URL", where)
    if settings.isolation not in ("team", "org"):
        raise SettingsError(f"POWERVIEW_ISOLATION must be team or org, not {settings.isolation!r}: {where}.")


def require_language(settings: Settings) -> None:
    """Raise SettingsError unless `settings.language` is one that dashboards, pages and messages are written in.

    Not load_settings: the ingest lane has no language, and must not stop for it.
    """
    if settings.language not in LANGUAGES:
        raise SettingsError(
            f"POWERVIEW_LANGUAGE must be {' or '.join(LANGUAGES)}, not {settings.language!r}: {_where(settings)}."
        )


def require_notifications(settings: Settings) -> None:
    """Raise SettingsError if an address of POWERVIEW_ALERT_URLS or POWERVIEW_PING_URL is none; no address is repeated,
    each may hold a password. Whether Apprise knows an address's scheme only Apprise can say."""
    for position, address in enumerate(settings.alert_urls, 1):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s].*", address):
            raise SettingsError(
                f"POWERVIEW_ALERT_URLS: address {position} of {len(settings.alert_urls)} (not shown) must be an "
                "Apprise URL such as ntfy://TOPIC or mailtos://USER:PASSWORD@MAILSERVER, with a blank between two; a "
                f"blank inside an address is written %20: {_where(settings)}."
            )
    if settings.ping_url and not _is_http(settings.ping_url):
        raise SettingsError(
            "POWERVIEW_PING_URL (its value is not shown) must be a URL such as https://hc-ping.com/UUID: "
            f"{_where(settings)}."
        )


def server_secrets(environment: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> dict[str, str]:
    """The secrets that InfluxDB and Grafana take at their first start: variable → value.

    Raises SettingsError for one that is missing or that its server would refuse or change: a server that does not
    start says so in its own log only. InfluxDB's limits are those of its `influx setup`; Grafana fills in `${NAME}`
    and `$__file{…}` in whatever its environment holds.
    """
    values = _merged(os.environ if environment is None else environment, _read(env_file))
    where = f"set it in {env_file} or in the environment"
    secrets = {}
    for name in ("INFLUXDB_ADMIN_TOKEN", "INFLUXDB_PASSWORD", "GRAFANA_PASSWORD"):
        value = values[name] or ""
        if not value:
            raise SettingsError(f"{name} is empty: {where} (`openssl rand -hex 32` makes one).")
        if wrong := _refused_by_servers(name, value):
            raise SettingsError(f"{name} {wrong} (its value is not shown): {where}.")
        secrets[name] = value
    _header_safe(values, "INFLUXDB_ADMIN_TOKEN", where)
    return secrets


def _refused_by_servers(name: str, value: str) -> str | None:
    if not value.isprintable() or value != value.strip():
        return "holds a control character, or begins or ends with a blank"
    if "${" in value or "$__" in value:
        return "holds ${ or $__, which Grafana and compose would fill in"
    if name == "INFLUXDB_PASSWORD" and not 8 <= len(value.encode()) <= 72:
        return f"has {len(value.encode())} bytes, and InfluxDB takes 8 to 72"
    return None


def _where(settings: Settings) -> str:
    return f"set it in {settings.env_file} or in the environment"


def _read(env_file: Path) -> dict[str, str | None]:
    try:
        if not env_file.exists():
            return {}
        with open(env_file, encoding="utf-8-sig") as lines:
            for entry in parse_stream(lines):
                if entry.error:
                    raise SettingsError(
                        f"{env_file}, line {entry.original.line}, cannot be read: NAME=value is wanted, with a value "
                        f"that has blanks or quotes between single quotes. Is a quote not closed?"
                    )
        return dotenv_values(env_file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{env_file} cannot be read: {error}. It must be readable by this user.") from error


def _replaced(environment: Mapping[str, str], from_file: Mapping[str, str | None], env_file: Path) -> tuple[str, ...]:
    found = []
    for name, instead in REPLACED.items():
        if from_file.get(name):
            found.append(f"{name} is not read any more: {instead}, then delete its line in {env_file}.")
        elif environment.get(name):
            found.append(f"{name} is not read any more: {instead}, then take it out of the environment.")
    return tuple(found)


def _merged(environment: Mapping[str, str], from_file: Mapping[str, str | None]) -> dict[str, str | None]:
    merged = {}
    for name, default in DEFAULTS.items():
        value = environment.get(name, from_file.get(name))
        merged[name] = value if value else default
    return merged


def _url(values: Mapping[str, str | None], name: str, where: str) -> str | None:
    value = values[name]
    if value is None:
        return None
    # Before anything repeats the value: what stands before an @ may hold a password, however little of a URL it is. A
    # password with a slash in it would even pass for a path.
    if "@" in value:
        raise SettingsError(
            f"{name} must not hold a user name or password: {where}, the login has variables of its own."
        )
    if not _is_http(value):
        wanted = f"a URL such as {DEFAULTS[name] or 'http://localhost:8086'}"
        raise SettingsError(f"{name} must be {wanted}, not {value!r}: {where}.")
    return value.rstrip("/")


def _stripped(url: str) -> str:
    return url.rstrip("/") if _is_http(url) else url


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return bool(parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0))
    except ValueError:  # a port that is no number, a bracket that does not end
        return False


def _header_safe(values: Mapping[str, str | None], name: str, where: str) -> str | None:
    value = values[name]
    if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
        raise SettingsError(
            f"{name} contains blanks or characters that no token has (its value is not shown): {where}."
        )
    return value


def _folder(values: Mapping[str, str | None], name: str, env_file: Path) -> Path:
    # A relative path lies beside .env, wherever the program was started: the hook reads it so as well.
    return Path(os.path.abspath(env_file.parent / os.path.expanduser(values[name])))


def _timezone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (
        KeyError,
        ValueError,
        OSError,
    ) as error:  # ZoneInfoNotFoundError is a KeyError; a folder's name an OSError
        raise SettingsError(
            f"POWERVIEW_TIMEZONE must be the name of a time zone such as Europe/Paris, not {name!r}: {where}."
        ) from error
