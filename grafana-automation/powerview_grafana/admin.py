"""What belongs to the admins: a folder that no team sees, a data source, the Master."""

from __future__ import annotations

from powerview_grafana import dashboards, data_sources, folders, master
from powerview_grafana.addresses import MAIN_ORG, path
from powerview_grafana.run import Run, going_on, stop_all
from powerview_grafana.servers import GONE, Get

ALERT_RULES = ("powerview-silent", "powerview-influxdb")
CONTACT_POINTS = ("powerview-admin-email", "powerview-admin-webhook")
ALERTS_FOLDER = "admin alerts"


def make(run: Run, clients: list[dict]) -> None:
    """Make and repair it, and take away what earlier versions had provisioned under Alerting."""
    ours = [c for c in clients if not (c["team"] or c["stopped"])]
    folders.settle(run, ours)
    data_sources.settle(run, [admin for admin in ours if admin["is_closed"]])
    closed = [c for c in ours if c["is_closed"] and c["stopped"] != "Grafana"]
    dashboards.settle(run, closed, lambda *_: master.from_file(run.settings), "From dashboards/master.json")
    run.each(going_on(ours), lambda admin: _finish(run, admin))
    stop_all(clients)


def _finish(run: Run, admin: dict) -> None:
    master.keep_as_set(run, admin)
    if "dashboard" not in admin["campaigns"][0]["steps"]:
        master.note_newer_file(run)
    _remove_alerting(run, admin)


def _remove_alerting(run: Run, admin: dict) -> None:
    # Every Viewer of an organisation reads its alert rules and contact points. Rules that came from a file go with
    # their folder only; where somebody has put rules of his own beside them, they stay, and he is asked.
    rules = path("api", "v1", "provisioning", "alert-rules")
    points = path("api", "v1", "provisioning", "contact-points")
    answers = run.grafana.get_all([Get(f"{rules}/{uid}", MAIN_ORG, GONE) for uid in ALERT_RULES])
    there = {a.body["folderUID"] for a in answers if a.found}
    for folder in sorted(there):
        if run.change(admin, admin["steps"], "alert rules of an earlier version removed", folder, None):
            _remove_rules(run, folder, rules, [a.body["uid"] for a in answers if a.found])
    present = {point["uid"] for point in run.grafana.get(points, MAIN_ORG).body}
    for uid in [uid for uid in CONTACT_POINTS if uid in present]:
        if run.change(admin, admin["steps"], f"contact point {uid} removed", uid, None):
            address = f"{points}/{uid}"
            run.write("Delete the contact point", "DELETE", address, org=MAIN_ORG, also=GONE)


def _remove_rules(run: Run, folder: str, rules: str, uids: list[str]) -> None:
    about = path("api", "folders", folder)
    counts = run.grafana.get(f"{about}/counts", MAIN_ORG).body
    held = sum(count for count in counts.values() if isinstance(count, int))
    title = run.grafana.get(about, MAIN_ORG).body["title"]
    if title == ALERTS_FOLDER and held == len(uids):
        address = f"{about}?forceDeleteRules=true"
        run.write("Delete the alerts' folder", "DELETE", address, org=MAIN_ORG, also=GONE)
        return
    for uid in uids:
        run.write("Delete the alert rule", "DELETE", f"{rules}/{uid}", org=MAIN_ORG, also=GONE)
