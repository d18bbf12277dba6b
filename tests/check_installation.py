"""An installation in which all is well, to be broken by one thing at a time."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from dashboard_queries import load_master
from grafana_contract import GrafanaContract, _new_dashboard
from trees import ROOT, Site, day_rows, v002
from waiting import LONG

from powerview.monitoring import check, http, machine
from powerview.monitoring.grafana import ADMIN_DATASOURCE
from powerview.settings import Settings, load_settings

HEALTHY = {
    "settings": "✓", "secrets": "✓", "notifications": "✓", "InfluxDB": "✓", "organisation": "✓",
    "token": "✓", "Grafana": "✓", "Grafana's login": "✓", "Master": "✓", "Loggers": "✓", "Grafana reads InfluxDB": "✓",
    "POWERVIEW_DATA_DIR": "✓",
    "POWERVIEW_LOG_DIR": "✓", "POWERVIEW_STATE_DIR": "✓", "hook": "✓", "SFTPGo": "✓", "timer": "✓",
    "sftpgo.service": "✓", "caddy.service": "✓", "powerview-sweep.service": "✓", "disk": "✓",
    "ingest lane": "✓", "provision lane": "✓",
    "last upload": "✓", "silent loggers": "✓", "files in error/": "✓", "pending files": "✓", "refused files": "✓",
    "check": "✓",
}  # fmt: skip
DEVICE = "acme/roof/02001171"


@dataclasses.dataclass
class Installation:
    """A whole installation in a folder, with a real InfluxDB and a Grafana that answers as the real one does."""

    site: Site
    grafana: GrafanaContract
    settings: Settings
    sftpgo: Path

    def lines(self, **changed) -> dict[str, str]:
        """Name → its line; `changed` are other settings."""
        settings = dataclasses.replace(self.settings, **changed)
        return {item.name: item.line() for item in check.look(settings, (self.sftpgo,))}

    def signs(self, **changed) -> dict[str, str]:
        """Name → ✓, ✗ or –."""
        return {name: line[0] for name, line in self.lines(**changed).items()}

    def broken(self, **changed) -> dict[str, str]:
        """The lines that are not as in a healthy installation, those that are missing as an empty text."""
        lines = self.lines(**changed)
        return {n: lines.get(n, "") for n in {**HEALTHY, **lines} if lines.get(n, " ")[0] != HEALTHY.get(n)}


def install(influx, client, tmp_path, monkeypatch, grafana) -> Installation:
    """One in which all is well, below `tmp_path`."""
    grafana.provision(load_master())
    grafana.orgs[1].data_sources[ADMIN_DATASOURCE] = {"uid": ADMIN_DATASOURCE, "id": 1}
    loggers = {"uid": "powerview-loggers", "title": "Loggers", "panels": []}
    grafana.orgs[1].dashboards[loggers["uid"]] = _new_dashboard(loggers, "powerview-admin", grafana.new_id())
    site = Site(tmp_path)
    env = tmp_path / ".env"
    env.write_text("# all is in the environment\n")
    env.chmod(0o600)
    hook = tmp_path / "on-upload.sh"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    monkeypatch.setattr(machine, "HOOK", hook)
    monkeypatch.setattr(http, "TIMEOUT", LONG)  # a server of a busy machine is not away
    mounted = tmp_path / "mounted"
    (mounted / "dashboards").mkdir(parents=True)
    (mounted / "dashboards/master.json").write_text("{}")
    for path in (mounted, *mounted.rglob("*")):  # whatever this umask is
        path.chmod(0o755 if path.is_dir() else 0o644)
    monkeypatch.setattr(machine, "MOUNTED", (mounted,))
    monkeypatch.setattr(machine, "SYSTEMD", tmp_path)
    monkeypatch.setattr(machine, "SFTPGO_USER", "no-such-user")
    fake_systemctl(tmp_path, {})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    caddy = tmp_path / "powerview.conf"
    caddy.write_text("[Service]\n")
    monkeypatch.setattr(machine, "CADDY_SETTINGS", caddy)
    settings = load_settings(
        {
            **site.environment,
            "INFLUXDB_HOST": influx.url,
            "POWERVIEW_ALERT_URLS": "json://localhost",
            "INFLUXDB_ADMIN_TOKEN": influx.token,
            "INFLUXDB_BUCKET": client,
            "GRAFANA_URL": grafana.url,
            "GRAFANA_PASSWORD": grafana.password,
        },
        env,
    )
    influx.make_bucket(client)
    site.put(f"{DEVICE}/T302_250702_031500.tsv", v002(*day_rows()))
    assert site.run().returncode == 0
    for lane in ("ingest", "provision"):
        (site.state / f"{lane}.status").write_text("0 2026-11-26 20:31:47+00:00\n")
    sftpgo = tmp_path / "sftpgo.env"
    sftpgo.write_text((ROOT / "deploy" / "sftpgo.env").read_text().replace("/srv/powerview/on-upload.sh", str(hook)))
    return Installation(site, grafana, settings, sftpgo)


UNITS = {
    "is-active powerview-sweep.timer": "active", "is-active sftpgo.service": "active",
    "is-active caddy.service": "active", "is-failed powerview-sweep.service": "inactive",
}  # fmt: skip


def fake_systemctl(folder: Path, changed: dict[str, str]) -> None:
    # It knows these questions only; `changed` has other answers to some.
    program = folder / "bin" / "systemctl"
    program.parent.mkdir(exist_ok=True)
    arms = "".join(f'  "{question}") echo {state} ;;\n' for question, state in {**UNITS, **changed}.items())
    program.write_text(f"#!/bin/sh\ncase $* in\n{arms}  *) exit 4 ;;\nesac\n")
    program.chmod(0o755)
