#!/usr/bin/env python3
"""The whole chain on this machine, to look at: `make try` and `make try-down` call this with `up` and `down`.

`up` starts compose.yaml with a name, ports and volumes of its own, lets a made-up client upload into a tree of its own,
parses, provisions, and prints where to look. Everything is in the folder `try`; an installation is not touched.
`down` removes the containers, their volumes and the folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests
import yaml
from write_secrets import PROJECT, write_secrets  # also makes `powerview` importable

from powerview.settings import DEFAULTS, SettingsError, load_settings, server_secrets

FOLDER = PROJECT / "try"
NAME = "powerview-try"
PLAYBOOK = PROJECT / "grafana-automation" / "playbooks" / "create_grafana_resources.yml"
PORTS = {"influxdb": "TRY_INFLUXDB_PORT", "grafana": "TRY_GRAFANA_PORT"}
DEFAULT_PORTS = {"influxdb": "18086", "grafana": "18088"}
HEALTH = {"influxdb": "/health", "grafana": "/api/health"}
UNTIL_HEALTHY = 300  # seconds, after the images are there
# Each way to run compose.yaml, with the command that shows whether its engine can start anything.
ENGINES = (
    (("podman-compose",), ("podman", "info")),
    (("podman", "compose"), ("podman", "info")),
    (("docker", "compose"), ("docker", "info")),
    (("docker-compose",), ("docker", "info")),
)


class TryError(Exception):
    """It cannot go on; the text says why, and what to do."""


def main(words: list[str]) -> int:
    """`up` or `down`; returns the exit status."""
    if words not in (["up"], ["down"]):
        print("usage: make try | make try-down", file=sys.stderr)
        return 2
    try:
        up() if words == ["up"] else down()
    except (TryError, SettingsError) as error:
        print(f"make try: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"make try: {Path(error.cmd[0]).name} ended with status {error.returncode}, its own words are above. "
              "`make try` goes on from here, `make try-down` takes everything away.", file=sys.stderr)  # fmt: skip
        return 1
    return 0


def up() -> None:
    """Start what is not running yet, and bring it to what the tree holds."""
    compose = find_compose()
    outside = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    ports = {service: os.environ.get(name) or DEFAULT_PORTS[service] for service, name in PORTS.items()}
    write_settings(ports)
    settings = load_settings({}, FOLDER / ".env")
    write_secrets(FOLDER / "secrets", server_secrets({}, settings.env_file))
    text = yaml.safe_dump(for_try(yaml.safe_load((PROJECT / "compose.yaml").read_text(encoding="utf-8")), ports))
    (FOLDER / "compose.yaml").write_text(text, encoding="utf-8")
    print("Grafana and InfluxDB start; the first time their images come from the internet.", flush=True)
    run([*compose, "up", "-d"], FOLDER, outside)
    for service, port in ports.items():
        wait_until_healthy(service, f"http://localhost:{port}{HEALTH[service]}")
    # No setting of this shell, or of an installation's .env, must lead elsewhere.
    environment = outside | dict.fromkeys(DEFAULTS, "") | dict(line.split("=", 1) for line in env_lines())
    if not settings.data_dir.exists():
        run([sys.executable, "demo/make_site.py", settings.data_dir, "--sheet"], PROJECT, environment)
    run([sys.executable, "tsv_parser.py"], PROJECT, environment)
    run([Path(sys.executable).with_name("ansible-playbook"), PLAYBOOK], PROJECT, environment)
    print(f"\nGrafana:   {settings.grafana_url}   login {settings.grafana_username}, password "
          f"{settings.grafana_password}\n           Dashboards, then the folder of the made-up client.\n"
          f"InfluxDB:  {settings.influxdb_host}   login and password are in {settings.env_file}\n"
          f"The tree:  {settings.data_dir}\nmake try-down takes all of it away.")  # fmt: skip


def down() -> None:
    """Remove containers, volumes and the folder. Nothing is there: nothing is done."""
    if not FOLDER.exists():
        print("There is nothing to take away.")
        return
    if (FOLDER / "compose.yaml").exists():
        run([*find_compose(), "down", "--volumes"], FOLDER, os.environ)
    shutil.rmtree(FOLDER)
    print("The containers, their volumes and the folder `try` are gone.")


def find_compose() -> list[str]:
    """The words that run compose.yaml on this machine. Raises TryError where there is no container engine."""
    for words, question in ENGINES:
        if not (shutil.which(words[0]) and shutil.which(question[0])):
            continue
        if answers([*words, "version"]) and answers(question):
            return [*words, "-f", "compose.yaml", "-p", NAME]
    raise TryError(
        "no container engine runs here: install podman with podman-compose, or docker, and see that `podman info` or "
        "`docker info` works. Without one, `make demo` shows PowerView from files alone."
    )


def answers(words: list[str] | tuple[str, ...]) -> bool:
    """Whether a command ends well, within half a minute."""
    try:
        return subprocess.run(words, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def write_settings(ports: Mapping[str, str]) -> None:
    """Write try/.env, unless it is there: the servers know the secrets of their first start."""
    place = FOLDER / ".env"
    if place.exists():
        return
    FOLDER.mkdir(exist_ok=True)
    made = {name: secrets.token_hex(16) for name in ("INFLUXDB_ADMIN_TOKEN", "INFLUXDB_PASSWORD", "GRAFANA_PASSWORD")}
    lines = {
        "INFLUXDB_HOST": f"http://localhost:{ports['influxdb']}",
        "INFLUXDB_URL": "http://influxdb:8086",
        "INFLUXDB_ORG": "powerview",
        "INFLUXDB_USERNAME": "admin",
        "INFLUXDB_BUCKET": "powerview",
        "GRAFANA_URL": f"http://localhost:{ports['grafana']}",
        "GRAFANA_USERNAME": "admin",
        "POWERVIEW_DATA_DIR": str(FOLDER / "data"),
        "POWERVIEW_LOG_DIR": str(FOLDER / "logs"),
        "POWERVIEW_STATE_DIR": str(FOLDER / "state"),
        "POWERVIEW_ISOLATION": "team",
        "POWERVIEW_DOMAIN": "",
        **made,
    }
    new = place.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())
    new.replace(place)


def env_lines() -> list[str]:
    """The lines of try/.env."""
    return (FOLDER / ".env").read_text(encoding="utf-8").splitlines()


def for_try(compose: dict, ports: Mapping[str, str]) -> dict:
    """compose.yaml with another name, ports and volumes, started by hand only, and its paths from the folder `try`."""
    compose["name"] = NAME
    for name, service in compose["services"].items():
        inside = service["ports"][0].rsplit(":", 1)[1]
        service["ports"] = [f"127.0.0.1:{ports[name]}:{inside}"]
        service["restart"] = "no"
        del service["logging"]  # journald is not everywhere
        service["volumes"] = [
            v.replace("./", f"{PROJECT}/", 1) if v.startswith("./") else v for v in service["volumes"]
        ]
    compose["services"]["grafana"]["environment"]["GF_SERVER_ROOT_URL"] = f"http://localhost:{ports['grafana']}/"
    for name, volume in compose["volumes"].items():
        volume["name"] = f"{NAME}-{name}"
    return compose


def run(words: list[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a program in a folder, its output for the person. Raises CalledProcessError."""
    subprocess.run([str(word) for word in words], cwd=folder, env=dict(environment), check=True)


def wait_until_healthy(service: str, url: str) -> None:
    """Return when the server answers. Raises TryError if it does not in time."""
    end = time.monotonic() + UNTIL_HEALTHY
    session = requests.Session()
    session.trust_env = False  # a proxy of this shell does not know this machine's ports
    while time.monotonic() < end:
        try:
            if session.get(url, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass  # not yet
        time.sleep(0.5)
    raise TryError(f"{service} does not answer at {url}: look at what it printed, in the logs of its container.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
