"""A real Grafana for tests, wherever one is named: GRAFANA (the program) and GRAFANA_HOME (the folder with its `conf/`
and `public/`). It listens on a free port of 127.0.0.1 and calls nobody."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import yaml
from influx_server import free_port
from waiting import LONG, wait_until

ROOT = Path(__file__).resolve().parent.parent
PROVISIONING = ROOT / "grafana-automation" / "provisioning"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
CLOSED = ("GF_PUBLIC_DASHBOARDS_ENABLED", "GF_SNAPSHOTS_ENABLED", "GF_SNAPSHOTS_EXTERNAL_ENABLED", "GF_METRICS_ENABLED")
QUIET = {
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_LOG_LEVEL": "warn",
    **{name: value for name, value in COMPOSE["services"]["grafana"]["environment"].items() if name in CLOSED},
}
"""Nothing calls home; what PowerView's own Grafana does without is off here as well."""


class GrafanaServer:
    """One Grafana process with its data in `folder`."""

    def __init__(self, folder: Path, password: str, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            **QUIET,
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(self.port),
            "GF_PATHS_DATA": str(folder / "data"),
            "GF_PATHS_LOGS": str(folder / "log"),
            "GF_PATHS_PLUGINS": str(folder / "plugins"),
            "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
            "GF_SECURITY_ADMIN_PASSWORD": password,
            **settings,
        }
        self.process: subprocess.Popen | None = None

    def start(self, deadline: float = LONG) -> GrafanaServer:
        """Start and wait until it answers. Raises RuntimeError with the server's log."""
        for kind in ("dashboards", "datasources", "plugins", "alerting"):
            (self.folder / "provisioning" / kind).mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        program, home = os.environ["GRAFANA"], os.environ["GRAFANA_HOME"]
        with open(self.folder / "grafana.log", "ab") as log:
            self.process = subprocess.Popen(
                [program, "server", "--homepath", home], cwd=home, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers, deadline, lambda: f"Grafana did not start:\n{self.log()[-3000:]}")
        return self

    def stop(self) -> None:
        """End the server as an admin would."""
        self.process.terminate()
        try:
            self.process.wait(LONG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """What the server printed."""
        return (self.folder / "grafana.log").read_text(errors="replace")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"Grafana ended with status {self.process.returncode}:\n{self.log()[-3000:]}")
        try:
            return requests.get(self.url + "/api/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def running_grafana(folder: Path, password: str, **settings: str) -> Iterator[GrafanaServer]:
    """A started server for the length of a `with` block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = GrafanaServer(folder, password, **settings)
    try:
        yield server.start()
    finally:
        server.stop()


def provision(folder: Path, dashboards: Path) -> None:
    """Lay the project's provisioning of dashboards into a server's `folder`, reading from `dashboards`."""
    target = folder / "provisioning" / "dashboards"
    target.mkdir(parents=True, exist_ok=True)
    for file in (PROVISIONING / "dashboards").glob("*.yml"):
        text = file.read_text().replace("/var/lib/powerview/dashboards/provisioned", str(dashboards))
        (target / file.name).write_text(text)
