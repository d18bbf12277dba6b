"""A clone of the Master for each campaign, in its client's folder and seen by the client's team."""

from __future__ import annotations

from powerview_grafana import found, master
from powerview_grafana.addresses import SAVE, classic_address, dashboard_permissions
from powerview_grafana.dashboard import IN_V2, clone, save_body
from powerview_grafana.folders import differs, team_rows, wanted_rows
from powerview_grafana.run import Run, closed_clients, going_on
from powerview_grafana.servers import EXISTS, GONE, Get, ServerError

NEW_IN_A_RUN = 100
"""So many dashboards are made for one client in a run: whoever makes a thousand folders keeps nobody waiting."""
CHANGED_MEANWHILE = "somebody changed dashboard {uid} while it was moved back into its client's folder: run again."


def _campaigns(client: dict) -> list[dict]:
    return client["campaigns"]


def make(run: Run, clients: list[dict]) -> str:
    """Make the dashboards that are missing, put back those that were moved, and set who may see them.

    Returns why the Master cannot be cloned, empty if it can: then nothing is made, and what is open is closed all the
    same. So it is for a client that `failed` after its folder was closed.
    """
    ours = closed_clients(clients)
    content, problem = run.read_first(ours, lambda: master.read(run.grafana)) or (None, "")
    if content is None and not problem and run.check:
        content = master.from_file(run.settings)

    def new(client: dict, campaign: dict) -> dict:
        if content is None:
            raise ServerError("Grafana has no Master (uid powerview-master) any more: run the playbook again.")
        return clone(
            content, client["client"], campaign["campaign"], campaign["uid"], client["data_source_uid"],
            run.settings.timezone.key,
        )  # fmt: skip

    settle(run, closed_clients(ours), new, "Cloned from Master", may_make=not problem)
    return problem


def settle(run: Run, clients: list[dict], new, message: str, may_make: bool = True, wanted=_campaigns) -> None:
    """The same for these clients, or for the admins; `new(client, campaign)` is what is put where nothing is.

    `wanted` gives a client's dashboards: those of its campaigns, or its overview.
    """

    def work(client: dict, present: dict) -> None:
        missing = []
        for campaign in wanted(client):
            there = present.get((client["client"], campaign["uid"]))
            campaign["there"] = bool(there)
            if there:
                _put_right(run, client, campaign, *there)
            else:
                missing.append(campaign)
        # In check mode what is in the way is reported, and what would be made without it.
        if may_make and (run.check or going_on([client])):
            client["waiting"] = client.get("waiting", 0) + len(missing[NEW_IN_A_RUN:])
            for campaign in missing[:NEW_IN_A_RUN]:
                _create(run, client, campaign, new, message)

    run.each_with(clients, lambda: _present(run, clients, wanted), work)


def _present(run: Run, clients: list[dict], wanted) -> dict[tuple[str, str], tuple[str | None, list[dict]]]:
    # The folder (None: nobody knows) and the permissions of each dashboard that is there, by client and uid.
    homes = [(c, campaign["uid"]) for c in clients if c["org"] for campaign in wanted(c)]
    gets = [Get(dashboard_permissions(uid), c["org"], GONE) for c, uid in homes]
    answers = run.grafana.get_all(gets)
    there = [(c, uid, a.body) for (c, uid), a in zip(homes, answers, strict=True) if a.found]
    listed = {org: {h["uid"]: h for h in found.hits(run.grafana, org)} for org in {c["org"] for c, _, _ in there}}
    # The index behind the search of newer versions runs behind: what it does not list is asked for itself.
    places = {
        (c["client"], uid): listed[c["org"]][uid].get("folderUid", "") for c, uid, _ in there if uid in listed[c["org"]]
    }
    unlisted = [(c, uid) for c, uid, _ in there if uid not in listed[c["org"]]]
    answers = run.grafana.get_all([Get(classic_address(uid), c["org"], found.READABLE) for c, uid in unlisted])
    for (client, uid), answer in zip(unlisted, answers, strict=True):
        place = answer.body["meta"].get("folderUid") or "" if answer.status == 200 else None
        places[client["client"], uid] = place
    return {(c["client"], uid): (places[c["client"], uid], rows) for c, uid, rows in there}


def _put_right(run: Run, client: dict, campaign: dict, place: str | None, rows: list[dict]) -> None:
    steps, folder, uid = campaign["steps"], client["folder_uid"], campaign["uid"]
    if place not in (folder, None) and run.change(client, steps, "place", place, folder):
        _move(run, client, uid)
    if differs(rows, client) and run.change(
        client, steps, "permissions", sorted(found.rows(rows)), wanted_rows(client)
    ):
        _set_permissions(run, client, uid)


def _create(run: Run, client: dict, campaign: dict, new, message: str) -> None:
    uid, folder, org = campaign["uid"], client["folder_uid"], client["org"]
    do = run.change(client, campaign["steps"], "dashboard", None, campaign["campaign"])
    run.change(client, campaign["steps"], "permissions", None, wanted_rows(client))
    campaign["there"] = True
    if not do:
        return
    # Without overwrite: a dashboard that another run has made meanwhile, or a person, is left as it is.
    body = save_body(new(client, campaign), folder, message)
    made = run.create("Create the dashboard", SAVE, body, org, dashboard_permissions(uid))
    if made.status == 200 and made.body.get("folderUid", folder) != folder:
        raise ServerError(
            f"Grafana put dashboard {uid} into another folder ({made.body['folderUid'] or 'the root'}) than its "
            f"client's: the next run moves it."
        )
    _set_permissions(run, client, uid)


def _set_permissions(run: Run, client: dict, uid: str) -> None:
    task, body = "Set the dashboard's permissions", {"items": team_rows(client)}
    run.write(task, "POST", dashboard_permissions(uid), body, org=client["org"])


def _move(run: Run, client: dict, uid: str) -> None:
    content, in_v2 = found.classic(run.grafana, uid, client["org"])
    if in_v2:
        raise ServerError(f"dashboard {uid} {IN_V2}: move it back into its client's folder by hand.")
    if not save_over(run, "Move the dashboard", client, content or {}, "Back into its folder"):
        raise ServerError(CHANGED_MEANWHILE.format(uid=uid))


def save_over(run: Run, task: str, client: dict, content: dict, message: str) -> bool:
    """Save a dashboard over the version that it names; returns False if somebody has saved another one since."""
    body = save_body(content, client["folder_uid"], message)
    # Grafana on SQLite, when its database was locked for a moment, says of a dashboard that nobody touched that
    # somebody has changed it. Where somebody has, the same version is refused again.
    for _ in range(2):
        made = run.write(task, "POST", SAVE, body, org=client["org"], also=EXISTS)
        if made.status == 200:
            return True
        # Of Grafana 11 and before, 412 may also say that another dashboard in the folder has the same title.
        if made.body and made.body.get("status") == "name-exists":
            raise run.grafana.refused(task, made)
    return False
