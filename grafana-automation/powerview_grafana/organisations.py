"""Where each client is at home in Grafana: the main organisation, or one of its own (POWERVIEW_ISOLATION=org)."""

from __future__ import annotations

from powerview_grafana import found, login
from powerview_grafana.addresses import MAIN_ORG, path
from powerview_grafana.run import Run, open_clients, stop_all
from powerview_grafana.servers import GONE, Get, Server, ServerError

GONE_MEANWHILE = "its organisation is not there any more: run again."


def make(run: Run, clients: list[dict]) -> None:
    """Make the playbooks' login if it is missing, and set `org` of each client; make and join what is missing.

    Raises ServerError if a server is not as it must be: both are asked before anything is written.
    """
    influxdb, names = run.influxdb, [c["client"] for c in open_clients(clients)]
    homes = of_clients(run.grafana, run.settings.isolation, names)
    found.influx_org(influxdb, run.settings.influxdb_org)
    run.each([c for c in clients if not c["team"]], lambda admin: login.make(run, admin))
    stop_all(clients)
    ours = open_clients(clients)
    if ours and run.log_in_again():
        homes = of_clients(run.grafana, run.settings.isolation, names)

    def settle(client: dict) -> None:
        home = homes[client["client"]]
        client["org"] = home["org"] if home["joined"] else None
        if home["org"] is None:
            if not run.check:
                run.changes.append((f"{client['client']}: organisation", None, client["client"]))
                _create(run, client)
        elif not home["joined"] and run.change(client, client["steps"], "our login"):
            _join(run, home["org"])

    run.each(ours, settle)
    new = [c for c in open_clients(clients) if c["org"] is None]
    if new and not run.check:
        now = of_clients(run.grafana, run.settings.isolation, [c["client"] for c in new])
        run.each(new, lambda client: _enter(run, client, now[client["client"]]))
    for client in new if run.check else []:
        if homes[client["client"]]["org"]:
            client["stopped"] = "check mode"  # nobody can see what is missing in there
    for client in clients:
        client["org"] = client["org"] if client["team"] else MAIN_ORG
    stop_all(clients)


def of_clients(grafana: Server, isolation: str, clients: list[str]) -> dict[str, dict]:
    """The organisation of each client: {"org": its number or None, "joined": whether our login is its admin}.

    With isolation `team` that is the main organisation. This is also the one read that tries the login: a wrong
    password tried many times at once would make Grafana lock the login for minutes.
    """
    memberships = grafana.get("/api/user/orgs", MAIN_ORG).body
    if isolation == "team":
        return {c: {"org": MAIN_ORG, "joined": True} for c in clients}
    if main := [m["name"] for m in memberships if m["orgId"] == MAIN_ORG and m["name"] in clients]:
        raise ServerError(
            f"Grafana's main organisation is called {main[0]} like a client, who would be let in where the admins' "
            f"data are: rename it (Administration, Organizations)."
        )
    admin_of = {m["name"]: m["orgId"] for m in memberships if m["role"] == "Admin"}
    others = [c for c in clients if c not in admin_of]
    answers = grafana.get_all([Get(path("api", "orgs", "name", c), MAIN_ORG, GONE) for c in others])
    numbers = {c: a.body["id"] if a.found else None for c, a in zip(others, answers, strict=True)}
    return {c: {"org": admin_of.get(c, numbers.get(c)), "joined": c in admin_of} for c in clients}


def _create(run: Run, client: dict) -> None:
    # 409: another run was quicker.
    body = {"name": client["client"]}
    run.write("Create the organisation", "POST", path("api", "orgs"), body, org=MAIN_ORG, also=(409,))


def _join(run: Run, org: int, who: str = "", task: str = "Join the organisation") -> None:
    users = path("api", "orgs", org, "users")
    body = {"loginOrEmail": who or login.name(run.grafana, run.settings), "role": "Admin"}
    answer = run.write(task, "POST", users, body, org=MAIN_ORG, also=(409,))
    if answer.status == 409 and not who:  # our login is in, but not as its admin
        user = f"{users}/{answer.body['userId']}"
        run.write("Become the organisation's admin", "PATCH", user, {"role": "Admin"}, org=MAIN_ORG)


def _enter(run: Run, client: dict, home: dict) -> None:
    if not home["joined"]:
        raise ServerError(GONE_MEANWHILE)
    client["org"] = home["org"]
    if client["steps"] == [] and login.is_own(run.grafana, run.settings):
        # Whoever makes an organisation is its admin; the admins want to look at it too.
        _join(run, home["org"], run.settings.grafana_username, "Let the admin into the organisation")
