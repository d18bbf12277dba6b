"""A team for each client. Its people see what the team may see."""

from __future__ import annotations

from powerview_grafana import found
from powerview_grafana.addresses import CLIENT_FOLDERS, folder_permissions, path
from powerview_grafana.run import Run, open_clients
from powerview_grafana.servers import GONE, Get, Server, ServerError


def make(run: Run, clients: list[dict]) -> None:
    """Set `team_id` of each client; make the teams that are missing."""

    def settle(client: dict, known: dict[str, int | None]) -> None:
        client["team_id"] = known[client["client"]]
        if client["team_id"] is None and run.change(client, client["steps"], "team", None, client["team"]):
            client["team_id"] = _create(run, client)

    ours = open_clients(clients)
    run.each_with(ours, lambda: of_clients(run.grafana, ours), settle)


def of_clients(grafana: Server, clients: list[dict]) -> dict[str, int | None]:
    """The number of each client's team, None where there is none (or no organisation yet).

    A team is known by the client's folder first, by its name second: people may rename it. But no team that another
    client's folder names, or that is called as another client's folder: somebody gave that the wrong folder.
    """
    homes = [c for c in clients if c["org"]]
    teams = {org: found.teams(grafana, org) for org in sorted({c["org"] for c in homes})}
    listed = _folder_teams(grafana, [(c["org"], c["folder_uid"]) for c in homes])
    known: dict[str, int | None] = {c["client"]: None for c in clients}
    for client in homes:
        org, uid = client["org"], client["folder_uid"]
        named = [number for number, name in teams[org].items() if name == client["team"]]
        rows = [number for number in listed[org, uid] if number in teams[org]]
        own = [number for number in rows if number in named] or _of_nobody_else(grafana, client, rows, teams[org])
        known[client["client"]] = next(iter(own or named), None)
    return known


def _of_nobody_else(grafana: Server, client: dict, rows: list[int], teams: dict[int, str]) -> list[int]:
    # What somebody renamed. Only then are the folders of the other clients looked at.
    if not rows:
        return []
    org, own = client["org"], client["folder_uid"]
    folders = [h for h in found.hits(grafana, org) if h["type"] == "dash-folder" and h["uid"] != own]
    others = [h["uid"] for h in folders if h["uid"].startswith(CLIENT_FOLDERS)]
    theirs = {n for numbers in _folder_teams(grafana, [(org, uid) for uid in others]).values() for n in numbers}
    titles = {h["title"] for h in folders}
    return [number for number in rows if number not in theirs and teams[number] not in titles]


def _folder_teams(grafana: Server, folders: list[tuple[int, str]]) -> dict[tuple[int, str], list[int]]:
    # The teams that may see these folders, by organisation and uid.
    answers = grafana.get_all([Get(folder_permissions(uid), org, GONE) for org, uid in folders])
    return {
        folder: sorted(row[0] for row in found.rows(answer.body) if row[0]) if answer.found else []
        for folder, answer in zip(folders, answers, strict=True)
    }


def _create(run: Run, client: dict) -> int:
    name, org = client["team"], client["org"]
    answer = run.write("Create the team", "POST", path("api", "teams"), {"name": name}, org=org, also=(409,))
    if answer.status == 200:
        return answer.body["teamId"]
    teams = found.teams(run.grafana, org)  # another run was quicker
    number = next((number for number, team in teams.items() if team == name), None)
    if number is None:
        alike = next((team for team in teams.values() if team.casefold() == name.casefold()), "?")
        raise ServerError(
            f"Grafana's database holds the team {alike} for the same as {name}, because it does not tell capital "
            f"letters from small ones: rename one of the two clients' folders."
        )
    return number
