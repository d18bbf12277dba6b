"""A folder for each client, open to its team and to nobody else."""

from __future__ import annotations

from powerview_grafana import found
from powerview_grafana.addresses import folder_permissions, path
from powerview_grafana.run import Run, open_clients
from powerview_grafana.servers import Answer

VIEW = 1


def make(run: Run, clients: list[dict]) -> None:
    """Make the folders that are missing, put them back to the root, and set who may see them."""
    settle(run, open_clients(clients))


def settle(run: Run, clients: list[dict]) -> None:
    """The same for these clients, or for the admins, whose folder no team may see."""
    run.each_with(clients, lambda: _present(run, clients), lambda client, present: _settle(run, client, *present))


def team_rows(client: dict) -> list[dict]:
    """Who may see a client's folder and dashboards, as Grafana takes it: the team, nobody for the admins' things."""
    return [{"teamId": client["team_id"], "permission": VIEW}] if client["team"] else []


def differs(listed: list[dict], client: dict) -> bool:
    """Whether somebody else may see it, or the team may not."""
    return found.rows(listed) != set(wanted_rows(client))


def wanted_rows(client: dict) -> list[tuple]:
    """Who may see it, as `found.rows` lists it."""
    return [(row["teamId"], 0, "", row["permission"]) for row in team_rows(client)]


def _present(run: Run, clients: list[dict]) -> tuple[dict[str, Answer], dict[str, Answer]]:
    folders = run.ask(clients, lambda c: path("api", "folders", c["folder_uid"]))
    return folders, run.ask(clients, lambda c: folder_permissions(c["folder_uid"]))


def _settle(run: Run, client: dict, folders: dict[str, Answer], all_permissions: dict[str, Answer]) -> None:
    steps, org, uid = client["steps"], client["org"], client["folder_uid"]
    folder, permissions = folders[client["client"]], all_permissions[client["client"]]
    is_new = not (folder.found and permissions.found)
    if is_new and run.change(client, steps, "folder", None, client["folder"]):
        _create(run, client)
    rows = [] if is_new else permissions.body
    if is_new or differs(rows, client):
        # The very next write: Grafana opens a new root folder to everyone.
        wanted = {"items": team_rows(client)}
        if run.change(client, steps, "permissions", sorted(found.rows(rows)), wanted_rows(client)):
            run.write("Set the folder's permissions", "POST", folder_permissions(uid), wanted, org=org)
    client["is_closed"] = True
    parent = "" if is_new else folder.body.get("parentUid") or ""
    if parent and run.change(client, steps, "folder's place", parent, ""):
        address = path("api", "folders", uid, "move")
        run.write("Put the folder back to the root", "POST", address, {"parentUid": ""}, org=org)


def _create(run: Run, client: dict) -> None:
    body = {"uid": client["folder_uid"], "title": client["folder"]}
    there = path("api", "folders", client["folder_uid"])  # in Grafana 11 another folder may have its title
    run.create("Create the folder", path("api", "folders"), body, client["org"], there)
