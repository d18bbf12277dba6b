"""The login with which the playbooks work.

Five wrong passwords lock a login of Grafana for five minutes, whoever typed them; `admin` is a name that a stranger
tries. So the playbooks work with a login of their own, a server admin whose name and password are made of the admin's
password: nothing has to be kept, and nobody can guess it. It is made with the admin's login when it is missing.
"""

from __future__ import annotations

import hashlib
import hmac
import time

from powerview.settings import Settings
from powerview_grafana import servers
from powerview_grafana.addresses import MAIN_ORG, path
from powerview_grafana.servers import Server

NAME = "PowerView's playbooks"
PREFIX = "powerview-"
NOT_LET_IN = (401, 403)
REMEMBERED_SECONDS = 70


def own(settings: Settings) -> tuple[str, str]:
    """Name and password of the playbooks' login."""
    key = (settings.grafana_password or "").encode()
    name, password = (hmac.new(key, word, hashlib.sha256).hexdigest() for word in (b"login", b"password"))
    return PREFIX + name[:20], f"Pv-{password}"  # as a strict policy wants a password


def of_the_playbooks(settings: Settings) -> Server:
    """Grafana with the playbooks' login, else, where there is none yet or it may not do all, with the admin's.

    Raises ServerError if neither is let in, SettingsError without GRAFANA_PASSWORD.
    """
    admin = servers.grafana(settings)  # says which setting it misses
    ours = servers.grafana_as(settings, *own(settings))
    return ours if _may_do_all(ours) else admin


def _may_do_all(ours: Server) -> bool:
    orgs = ours.get("/api/user/orgs", MAIN_ORG, NOT_LET_IN)
    if orgs.status != 200 or not any(o["orgId"] == MAIN_ORG and o["role"] == "Admin" for o in orgs.body):
        return False
    return ours.get("/api/user", MAIN_ORG).body["isGrafanaAdmin"]


def is_own(grafana: Server, settings: Settings) -> bool:
    """Whether this is Grafana with the playbooks' login."""
    return grafana.authorization == servers.grafana_as(settings, *own(settings)).authorization


def name(grafana: Server, settings: Settings) -> str:
    """The name of the login that a Grafana of `of_the_playbooks` works with."""
    return own(settings)[0] if is_own(grafana, settings) else settings.grafana_username


def make(run, admin: dict) -> None:
    """Make the playbooks' login if there is none, and take away those of the admin's earlier passwords."""
    if is_own(run.grafana, run.settings):
        return
    if not run.change(admin, admin["steps"], "our login"):
        return
    login, password = own(run.settings)
    body = {"login": login, "email": f"{login}@localhost", "name": NAME, "password": password, "OrgId": MAIN_ORG}
    number = _number(run, body)
    users = path("api", "admin", "users", number)
    rights = {"isGrafanaAdmin": True}
    run.write("Make it a server admin", "PUT", f"{users}/permissions", rights, org=MAIN_ORG)
    _make_admin(run, number, login)
    for user in run.grafana.get(path("api", "users", "search", query=PREFIX, perpage=1000), MAIN_ORG).body["users"]:
        if user["name"] == NAME and user["login"].startswith(PREFIX) and user["id"] != number:
            old = path("api", "admin", "users", user["id"])
            run.write("Delete the login of an earlier password", "DELETE", old, org=MAIN_ORG, also=(404,))


def _number(run, body: dict) -> int:
    users = path("api", "admin", "users")
    made = run.write("Create the playbooks' login", "POST", users, body, org=MAIN_ORG, also=(412,))
    if made.status == 200:
        return made.body["id"]
    # It is there, but Grafana did not let it in: another run is making it, or somebody changed its password.
    lookup = path("api", "users", "lookup", loginOrEmail=body["login"])
    number = run.grafana.get(lookup, MAIN_ORG).body["id"]
    password = {"password": body["password"]}
    run.write("Set its password", "PUT", f"{users}/{number}/password", password, org=MAIN_ORG)
    return number


def _make_admin(run, number: int, login: str) -> None:
    users, role = path("api", "orgs", MAIN_ORG, "users"), {"role": "Admin"}
    orgs = run.grafana.get(path("api", "users", number, "orgs"), MAIN_ORG).body
    if any(o["orgId"] == MAIN_ORG for o in orgs):
        run.write("Make it an admin", "PATCH", f"{users}/{number}", role, org=MAIN_ORG)
    else:
        run.write("Let it in", "POST", users, {"loginOrEmail": login, **role}, org=MAIN_ORG)
    # Grafana remembers for some seconds what a login was allowed before.
    ours = servers.grafana_as(run.settings, *own(run.settings))
    deadline = time.monotonic() + REMEMBERED_SECONDS
    while ours.get("/api/org/preferences", MAIN_ORG, NOT_LET_IN).status != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
