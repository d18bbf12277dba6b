"""`make try` and `make try-down`: all of it but the images, which a fake engine stands in for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from dotenv import dotenv_values
from influx_server import InfluxServer, free_port, influxd_command
from programs import ROOT, make_executable, outside_make
from waiting import LONG, wait_until

CODE = ("deploy", "powerview", "grafana-automation", "demo", "compose.yaml", "tsv_parser.py")


class Trial:
    """A clone of the project, a fake engine on PATH, and what `make try` runs."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.state, self.bin = folder / "clone", folder / "state", folder / "bin"
        self.clone.mkdir()
        self.state.mkdir()
        for name in CODE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.clone / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
            else:
                shutil.copy(ROOT / name, self.clone)
        # A person who has an installation in this shell and in this clone: nothing of it may be touched.
        (self.clone / ".env").write_text(
            "INFLUXDB_HOST=http://localhost:1\nPOWERVIEW_STATE_DIR=/nowhere\nPOWERVIEW_TIMEZONE=None/Such\n"
        )
        self.ports = {"TRY_INFLUXDB_PORT": str(free_port()), "TRY_GRAFANA_PORT": str(free_port())}

    def engine(self, *names: str) -> None:
        """Put the fake engine on PATH under these names."""
        for name in names:
            engine = f'exec {sys.executable} {ROOT}/tests/fake_engine.py {self.state} {name} "$@"'
            make_executable(self.bin / name, f"#!/bin/sh\n{engine}\n")

    def make(self, word: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess:
        words = [sys.executable, self.clone / "deploy/try_out.py", word]
        place = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.state), **self.ports,
                 "INFLUXD": self.influxd(), "INFLUXDB_ORG": "of-an-installation", **environment}  # fmt: skip
        done = subprocess.run(words, env=place, capture_output=True, text=True, timeout=LONG)
        assert done.returncode == status, done.stdout + done.stderr + self.logs()
        return done

    def influxd(self) -> str:
        """The program that the session's server runs; the fake engine starts it once more."""
        program = influxd_command(self.state)[0]
        if Path(program).name in ("podman", "docker"):
            pytest.skip("InfluxDB runs in a container here, and the fake engine starts a program")
        return program

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.state.glob("*.log"))

    def env(self) -> dict[str, str | None]:
        return dotenv_values(self.clone / "try/.env", interpolate=False)

    def calls(self) -> list[str]:
        place = self.state / "calls"
        return place.read_text().splitlines() if place.exists() else []


@pytest.fixture
def trial(tmp_path, influx):
    made = Trial(tmp_path)
    yield made
    subprocess.run([sys.executable, ROOT / "tests/fake_engine.py", made.state, "podman-compose", "-f",
                    ROOT / "compose.yaml", "down"], check=True)  # fmt: skip


def dashboards(trial: Trial) -> list[str]:
    """The titles that the admin sees in Grafana."""
    env = trial.env()
    login = (env["GRAFANA_USERNAME"], env["GRAFANA_PASSWORD"])
    found = requests.get(f"{env['GRAFANA_URL']}/api/search?type=dash-db", auth=login, timeout=LONG)
    return sorted(hit["title"] for hit in found.json())


def readings(trial: Trial, client: str) -> int:
    """How many readings are in the client's bucket."""
    env = trial.env()
    server = InfluxServer(trial.state / "unused", ["unused"])
    server.url = env["INFLUXDB_HOST"]
    server.session.headers["Authorization"] = f"Token {env['INFLUXDB_ADMIN_TOKEN']}"
    rows = server.query(f'from(bucket: "{client}") |> range(start: 0) |> filter(fn: (r) => r._field == "value")'
                        " |> group() |> count()")  # fmt: skip
    return int(rows[0]["_value"])


@pytest.mark.slow
def test_make_try_shows_the_whole_chain_and_make_try_down_takes_it_away(trial):
    trial.engine("podman", "podman-compose")
    shown = trial.make("up").stdout
    env = trial.env()
    for text in (env["GRAFANA_URL"], env["GRAFANA_PASSWORD"], env["INFLUXDB_HOST"], f"{trial.clone}/try/data"):
        assert text in shown
    (client,) = os.listdir(trial.clone / "try/data")
    (campaign,) = os.listdir(trial.clone / "try/data" / client)
    assert campaign in dashboards(trial)
    stored = readings(trial, client)
    assert stored > 100_000
    assert list((trial.clone / "try/data").rglob("error")) == []

    trial.make("up")  # again: nothing is made twice
    assert (readings(trial, client), trial.env()) == (stored, env)

    ports = [int(port) for port in trial.ports.values()]
    assert "gone" in trial.make("down").stdout
    assert not (trial.clone / "try").exists()
    assert not list(trial.state.glob("powerview-try-*"))
    wait_until(lambda: not any(answers(port) for port in ports), LONG, lambda: "a server is still there")
    assert trial.make("down").stdout == "There is nothing to take away.\n"


def answers(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_nothing_of_an_installation_is_shared(trial):
    trial.engine("podman", "podman-compose")
    trial.make("up")
    installed = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    tried = yaml.safe_load((trial.clone / "try/compose.yaml").read_text(encoding="utf-8"))
    assert tried["name"] != installed["name"]
    for name, service in tried["services"].items():
        assert service["image"] == installed["services"][name]["image"]
        assert service["ports"][0] not in installed["services"][name]["ports"]
        assert service["restart"] == "no"
        assert all((trial.clone / path).is_absolute() for path in service["volumes"])
        assert tried["volumes"][name]["name"] != installed["volumes"][name]["name"]
    up = next(call for call in trial.calls() if call.endswith("up -d"))
    assert up == "podman-compose -f compose.yaml -p powerview-try up -d"
    secrets = dict.fromkeys(("INFLUXDB_ADMIN_TOKEN", "INFLUXDB_PASSWORD", "GRAFANA_PASSWORD"))
    assert not any(trial.env()[name] in call for name in secrets for call in trial.calls())
    assert (trial.clone / "try/.env").stat().st_mode & 0o077 == 0
    # The clone's own .env named other servers and folders.
    assert sorted(path.name for path in (trial.clone / "try").iterdir()) == [
        ".env", "compose.yaml", "data", "logs", "secrets", "state"
    ]  # fmt: skip


NO_ENGINE = (
    "make try: no container engine runs here: install podman with podman-compose, or docker, and see that "
    "`podman info` or `docker info` works. Without one, `make demo` shows PowerView from files alone.\n"
)


@pytest.mark.parametrize(
    ("there", "status"),
    [((), "0"), (("podman",), "0"), (("podman-compose",), "0"), (("podman", "podman-compose"), "125")],
    ids=["nothing", "podman alone", "podman-compose alone", "an engine that cannot start anything"],
)
def test_without_an_engine_it_names_make_demo(trial, there, status):
    trial.engine(*there)
    if there == ("podman",):  # `podman compose` without a provider
        make_executable(trial.bin / "podman", '#!/bin/sh\n[ "$1" = info ]\n')
    done = trial.make("up", status=1, ENGINE_STATUS=status, PATH=f"{trial.bin}")
    assert done.stderr == NO_ENGINE
    assert not (trial.clone / "try").exists()


def test_an_engine_that_fails_is_named_and_can_be_taken_away(trial):
    make_executable(trial.bin / "docker", '#!/bin/sh\necho "$*" >>"${0%/*}/calls"\n[ "$6" != up ] || exit 18\n')
    done = trial.make("up", status=1, PATH=str(trial.bin))
    assert "make try: docker ended with status 18, its own words are above." in done.stderr
    trial.make("down", PATH=str(trial.bin))
    assert (trial.bin / "calls").read_text().splitlines()[-1] == (
        "compose -f compose.yaml -p powerview-try down --volumes"
    )


def test_what_make_calls():
    for target, word in (("try", "up"), ("try-down", "down")):
        shown = subprocess.run(
            ["make", "-n", target], cwd=ROOT, env=outside_make(), capture_output=True, text=True, check=True
        ).stdout
        assert shown.splitlines()[-1].endswith(f"deploy/try_out.py {word}")
