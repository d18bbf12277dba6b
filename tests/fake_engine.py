"""A container engine without containers: `fake_engine.py STATE podman|podman-compose …`; a volume is a folder of STATE.

`up` reads the compose.yaml that it is given and starts for each image what the tests have in its place: for InfluxDB a
real one, for Grafana the contract server, on the ports and with the secrets of the file. `stop` and `down` end them;
with `--volumes` their data go too. `podman volume` exports and imports tar files. Every call is noted in STATE/calls.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml
from grafana_contract import GrafanaContract
from influx_server import InfluxServer
from waiting import LONG, wait_until

DASHBOARDS = "/var/lib/powerview/dashboards"


def main(state: Path, program: str, *words: str) -> int:
    """Do what one call of the engine does; returns its exit status."""
    with open(state / "calls", "a", encoding="utf-8") as calls:
        calls.write(" ".join([program, *words]) + "\n")
    if words[0] == "--version":
        print("podman-compose version 1.3.0")
    elif program == "podman" and words[0] == "volume":
        volume(state, *words[1:])
    elif program == "podman" or words[-1] == "version":
        return int(os.environ.get("ENGINE_STATUS", "0"))
    else:
        compose = yaml.safe_load(Path(words[words.index("-f") + 1] if "-f" in words else "compose.yaml").read_text())
        if {"up", "start"} & set(words):
            up(state, compose)
        elif {"down", "stop"} & set(words):
            down(state, compose if "--volumes" in words else {"volumes": {}})
    return 0


def volume(state: Path, action: str, name: str, *options: str) -> None:
    """podman volume create, rm, export --output FILE, import FILE."""
    if action == "create":
        (state / name).mkdir()
    elif action == "rm":
        shutil.rmtree(state / name)
    else:
        words = {"export": ["-cf", options[-1], "."], "import": ["-xf", options[-1]]}[action]
        subprocess.run(["tar", "-C", state / name, *words], check=True)


def up(state: Path, compose: dict) -> None:
    for name in ("influxdb", "grafana"):
        (state / compose["volumes"][name]["name"]).mkdir(exist_ok=True)
        if not (state / f"{name}.pid").exists():
            words = [sys.executable, __file__, str(state), "serve", name, json.dumps(compose)]
            with open(state / f"{name}.log", "ab") as log:
                server = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            (state / f"{name}.pid").write_text(str(server.pid))


def down(state: Path, compose: dict) -> None:
    for name in ("influxdb", "grafana"):
        place = state / f"{name}.pid"
        if place.exists():
            group = int(place.read_text())
            os.killpg(group, signal.SIGTERM)
            place.unlink()
            wait_until(lambda group=group: not runs(group), LONG, lambda: "a server does not end")
    for volume in compose["volumes"].values():
        shutil.rmtree(state / volume["name"], ignore_errors=True)


def runs(group: int) -> bool:
    """Whether a process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def serve(state: Path, name: str, compose: dict) -> None:
    """Be one of the servers, until SIGTERM."""
    service = compose["services"][name]
    port = int(service["ports"][0].split(":")[1])
    given = {
        secret: Path(compose["secrets"][secret]["file"]).read_text(encoding="utf-8") for secret in service["secrets"]
    }
    {"influxdb": serve_influxdb, "grafana": serve_grafana}[name](
        state / compose["volumes"][name]["name"], port, given, service
    )


def serve_influxdb(data: Path, port: int, given: dict[str, str], service: dict) -> None:
    class Named(InfluxServer):
        def _set_up(self) -> None:
            if self.call("GET", "/api/v2/setup").json()["allowed"]:
                body = {"username": "admin", "password": given["influxdb_password"], "org": "powerview",
                        "bucket": "powerview", "token": given["influxdb_admin_token"]}  # fmt: skip
                self.call("POST", "/api/v2/setup", json=body)

    server = Named(data)
    server.port, server.url = port, f"http://127.0.0.1:{port}"
    server.start()
    server.process.wait()


def serve_grafana(data: Path, port: int, given: dict[str, str], service: dict) -> None:
    with GrafanaContract("12.4", given["grafana_password"], port) as server:
        mounted = {volume.split(":")[1]: Path(volume.split(":")[0]) for volume in service["volumes"]}
        if any((mounted["/etc/grafana/provisioning"] / "dashboards").glob("*.y*ml")):
            server.provision(json.loads((mounted[DASHBOARDS] / "master.json").read_text(encoding="utf-8")))
        signal.pause()


if __name__ == "__main__":
    place, what, *rest = sys.argv[1:]
    if what == "serve":
        serve(Path(place), rest[0], json.loads(rest[1]))
    else:
        sys.exit(main(Path(place), what, *rest))
