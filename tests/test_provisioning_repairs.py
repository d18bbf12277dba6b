"""Whatever is deleted, changed or added by hand: the next run repairs exactly that, and writes nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from grafana_automation import tree
from provisioning_world import QUICKLY, World, expected, expected_in_influx

pytest_plugins = ("provisioning_fixture",)

TREE = {"acme": ["hall", "roof"], "globex": ["roof"]}
ACME, GLOBEX = (tree.describe(client, campaigns) for client, campaigns in TREE.items())
FOLDER, SOURCE = ACME["folder_uid"], ACME["data_source_uid"]
HALL, ROOF = (c["uid"] for c in ACME["campaigns"])

NEW_TOKEN = "influxdb POST /api/v2/authorizations → 201"
OLD_TOKEN = "influxdb DELETE /api/v2/authorizations/ID → 204"
NEW_SOURCE = "grafana POST /api/datasources → 200"
CHANGED_SOURCE = f"grafana PUT /api/datasources/uid/{SOURCE} → 200"
SAVED = "grafana POST /api/dashboards/db → 200"


def permissions(kind: str, uid: str) -> str:
    """The write that sets the permissions of a folder or a dashboard."""
    return f"grafana POST /api/{kind}/{uid}/permissions → 200"


OF_FOLDER = permissions("folders", FOLDER)
OF_OVERVIEW, HOME = (
    permissions("dashboards/uid", ACME["overview"]["uid"]),
    "grafana PUT /api/teams/ID/preferences → 200",
)
OF_HALL, OF_ROOF = permissions("dashboards/uid", HALL), permissions("dashboards/uid", ROOF)


@dataclass(frozen=True)
class Damage:
    """What somebody did, what the next run says, and what it writes."""

    name: str
    done: Callable[[World], None]
    logged: list[str]
    writes: list[str]


def team_deleted(world):
    world.grafana.call("DELETE", f"/api/teams/{team_id(world, 'acme')}")


def folder_deleted(world):
    world.grafana.call("DELETE", f"/api/folders/{FOLDER}")


def folder_opened(world):
    rows = [{"teamId": team_id(world, "acme"), "permission": 1}, {"role": "Viewer", "permission": 1}]
    world.grafana.call("POST", f"/api/folders/{FOLDER}/permissions", {"items": rows})


def folder_for_another_team(world):
    rows = [{"teamId": team_id(world, "globex"), "permission": 1}]
    world.grafana.call("POST", f"/api/folders/{FOLDER}/permissions", {"items": rows})


def folder_below_another(world):
    world.grafana.call("POST", f"/api/folders/{FOLDER}/move", {"parentUid": GLOBEX["folder_uid"]})


def dashboard_deleted(world):
    world.grafana.call("DELETE", f"/api/dashboards/uid/{ROOF}")


def dashboard_in_anothers_folder(world):
    content = {**world.grafana.dashboard(ROOF), "id": None, "title": "My roof"}
    body = {"dashboard": content, "folderUid": GLOBEX["folder_uid"], "overwrite": True, "message": "moved"}
    world.grafana.call("POST", "/api/dashboards/db", body)


def dashboard_opened(world):
    rows = [{"teamId": team_id(world, "acme"), "permission": 2}, {"teamId": team_id(world, "globex"), "permission": 1}]
    world.grafana.call("POST", f"/api/dashboards/uid/{ROOF}/permissions", {"items": rows})


def overview_deleted(world):
    world.grafana.call("DELETE", f"/api/dashboards/uid/{ACME['overview']['uid']}")


def overview_opened(world):
    rows = [{"teamId": team_id(world, "globex"), "permission": 1}]
    world.grafana.call("POST", f"/api/dashboards/uid/{ACME['overview']['uid']}/permissions", {"items": rows})


def overview_moved(world):
    content = {**world.grafana.dashboard(ACME["overview"]["uid"]), "id": None}
    body = {"dashboard": content, "folderUid": GLOBEX["folder_uid"], "overwrite": True, "message": "moved"}
    world.grafana.call("POST", "/api/dashboards/db", {**body, "dashboard": {**content, "title": "Ours"}})


def home_page_forgotten(world):
    world.grafana.call("PUT", f"/api/teams/{team_id(world, 'acme')}/preferences", {"theme": "light"})


def source_deleted(world):
    world.grafana.call("DELETE", f"/api/datasources/uid/{SOURCE}")


def source_elsewhere(world):
    change_source(world, url="http://elsewhere:8086", access="proxy")


def source_renamed_and_default(world):
    change_source(world, name="The main one", isDefault=True)


def source_reads_anothers_bucket(world):
    present = world.grafana.get(f"/api/datasources/uid/{SOURCE}")
    change_source(world, jsonData={**present["jsonData"], "defaultBucket": "globex"})


def source_without_token(world):
    change_source(world, secureJsonData={"token": ""})


def source_names_a_token_that_may_do_everything(world):
    wide = make_token(world, "everything", [{"action": "read", "resource": {"type": "buckets"}}])
    present = world.grafana.get(f"/api/datasources/uid/{SOURCE}")
    change_source(world, jsonData={**present["jsonData"], "powerviewAuthorization": wide})


def token_deleted(world):
    world.influx_call("DELETE", f"/api/v2/authorizations/{token_id(world)}")


def token_switched_off(world):
    world.influx_call("PATCH", f"/api/v2/authorizations/{token_id(world)}", json={"status": "inactive"})


def token_left_over(world):
    description = f"powerview: grafana reads acme ({world.env['GRAFANA_URL']})"
    resource = {"type": "buckets", "id": world.bucket_id("acme"), "orgID": world.influx_org}
    make_token(world, description, [{"action": "read", "resource": resource}])


def bucket_deleted(world):
    world.influx_call("DELETE", f"/api/v2/buckets/{world.bucket_id('acme')}")


def bucket_made_anew(world):
    bucket_deleted(world)
    body = {"orgID": world.influx_org, "name": "acme", "retentionRules": []}
    world.influx_call("POST", "/api/v2/buckets", json=body)


def masters_folder_opened(world):
    rows = [{"role": "Viewer", "permission": 1}]
    world.grafana.call("POST", "/api/folders/powerview-admin/permissions", {"items": rows})


def master_opened(world):
    rows = [{"role": "Viewer", "permission": 1}]
    world.grafana.call("POST", "/api/dashboards/uid/powerview-master/permissions", {"items": rows})


DAMAGES = [
    Damage(
        "team deleted",
        team_deleted,
        [
            "repaired acme: team, permissions, overview's permissions, home page",
            "repaired acme/hall: permissions",
            "repaired acme/roof: permissions",
        ],
        ["grafana POST /api/teams → 200", OF_FOLDER, OF_HALL, OF_ROOF, OF_OVERVIEW, HOME],
    ),
    Damage(
        "folder deleted, and its dashboards with it",
        folder_deleted,
        ["created acme", "created acme/hall", "created acme/roof"],
        ["grafana POST /api/folders → 200", OF_FOLDER, SAVED, OF_HALL, SAVED, OF_ROOF, SAVED, OF_OVERVIEW, HOME],
    ),
    Damage("overview deleted", overview_deleted, ["repaired acme: overview, home page"], [SAVED, OF_OVERVIEW, HOME]),
    Damage("overview opened", overview_opened, ["repaired acme: overview's permissions"], [OF_OVERVIEW]),
    Damage("overview moved", overview_moved, ["repaired acme: overview's place"], [SAVED]),
    Damage("home page forgotten", home_page_forgotten, ["repaired acme: home page"], [HOME]),
    Damage("folder opened to everyone", folder_opened, ["repaired acme: permissions"], [OF_FOLDER]),
    Damage("folder given to another team", folder_for_another_team, ["repaired acme: permissions"], [OF_FOLDER]),
    Damage(
        "folder moved below another client's",
        folder_below_another,
        ["repaired acme: folder's place"],
        [f"grafana POST /api/folders/{FOLDER}/move → 200"],
    ),
    Damage("dashboard deleted", dashboard_deleted, ["created acme/roof"], [SAVED, OF_ROOF]),
    Damage(
        "dashboard moved into another client's folder",
        dashboard_in_anothers_folder,
        ["repaired acme/roof: place"],
        [SAVED],
    ),
    Damage("dashboard opened to another team", dashboard_opened, ["repaired acme/roof: permissions"], [OF_ROOF]),
    Damage(
        "data source deleted",
        source_deleted,
        ["repaired acme: token, data source"],
        [NEW_TOKEN, NEW_SOURCE, OLD_TOKEN],
    ),
    Damage("data source's address changed", source_elsewhere, ["repaired acme: data source"], [CHANGED_SOURCE]),
    Damage(
        "data source renamed, and the default",
        source_renamed_and_default,
        ["repaired acme: data source"],
        [CHANGED_SOURCE],
    ),
    Damage(
        "data source reads another client's bucket",
        source_reads_anothers_bucket,
        ["repaired acme: data source"],
        [CHANGED_SOURCE],
    ),
    Damage(
        "data source's token taken away",
        source_without_token,
        ["repaired acme: token"],
        [NEW_TOKEN, CHANGED_SOURCE, OLD_TOKEN],
    ),
    Damage(
        "data source names a token that may do everything",
        source_names_a_token_that_may_do_everything,
        ["repaired acme: token"],
        [NEW_TOKEN, CHANGED_SOURCE, OLD_TOKEN],
    ),
    Damage("token deleted", token_deleted, ["repaired acme: token"], [NEW_TOKEN, CHANGED_SOURCE]),
    Damage(
        "token switched off",
        token_switched_off,
        ["repaired acme: token"],
        [NEW_TOKEN, CHANGED_SOURCE, OLD_TOKEN],
    ),
    Damage("token left over", token_left_over, ["repaired acme: left-over tokens"], [OLD_TOKEN]),
    Damage(
        "bucket deleted",
        bucket_deleted,
        ["repaired acme: bucket, token"],
        ["influxdb POST /api/v2/buckets → 201", NEW_TOKEN, CHANGED_SOURCE, OLD_TOKEN],
    ),
    Damage(
        "bucket deleted and made anew by the parser",
        bucket_made_anew,
        ["repaired acme: token"],
        [NEW_TOKEN, CHANGED_SOURCE, OLD_TOKEN],
    ),
    Damage(
        "the Master's folder opened",
        masters_folder_opened,
        ["repaired admin: permissions"],
        [permissions("folders", "powerview-admin")],
    ),
    Damage(
        "the Master opened",
        master_opened,
        ["repaired admin/Master: permissions"],
        [permissions("dashboards/uid", "powerview-master")],
    ),
]


@QUICKLY
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_run_repairs_exactly_what_was_damaged(world: World, damage: Damage):
    make_the_tree(world)
    damage.done(world)
    others = {i: t for i, t in world.tokens().items() if not t["description"].startswith("powerview: ")}

    run = world.run()

    assert run.logged == [f"powerview: {line}" for line in damage.logged]
    assert [without_ids(write) for write in world.journal.writes] == damage.writes
    assert (run.status, world.to_do()) == (0, [])
    assert others.items() <= world.tokens().items()
    for token in others:
        world.influx_call("DELETE", f"/api/v2/authorizations/{token}")
    right = {**expected(world, TREE), **expected_in_influx(world, list(TREE))}
    if damage.done is dashboard_in_anothers_folder:  # moved back, not made anew
        right["dashboards"][ROOF] = ("My roof", *right["dashboards"][ROOF][1:])
    if damage.done is overview_moved:
        uid = ACME["overview"]["uid"]
        right["dashboards"][uid] = ("Ours", *right["dashboards"][uid][1:])
    assert world.state() == right


@QUICKLY
def test_a_dashboard_that_somebody_saves_while_it_is_moved_is_left_to_the_next_run(world: World):
    make_the_tree(world)
    dashboard_in_anothers_folder(world)
    edited = []

    def save_once(_number, what):
        if what.endswith("/api/dashboards/db") and not edited:
            edited.append({**world.grafana.dashboard(ROOF), "id": None, "title": "Mine"})
            body = {"dashboard": edited[0], "folderUid": GLOBEX["folder_uid"], "overwrite": True, "message": "by hand"}
            world.grafana.call("POST", "/api/dashboards/db", body)

    world.journal.before = save_once
    run = world.run()
    world.journal.before = None

    assert (run.status, run.logged) == (
        2,
        [
            f"powerview: not finished: acme: somebody changed dashboard {ROOF} while it was moved back into its "
            f"client's folder: run again."
        ],
    )
    assert world.run().logged == ["powerview: repaired acme/roof: place"]
    assert world.grafana.dashboard(ROOF)["title"] == "Mine"


@QUICKLY
def test_what_a_person_added_to_a_data_source_is_kept_by_a_repair(world: World):
    make_the_tree(world)
    present = world.grafana.get(f"/api/datasources/uid/{SOURCE}")
    change_source(world, url="http://elsewhere", jsonData={**present["jsonData"], "timeout": 17, "version": "SQL"})

    run = world.run()

    assert run.logged == ["powerview: repaired acme: data source"]
    assert world.grafana.get(f"/api/datasources/uid/{SOURCE}")["jsonData"] == {**present["jsonData"], "timeout": 17}


@QUICKLY
def test_a_token_made_for_an_earlier_address_of_grafana_goes_with_its_bucket(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.env["GRAFANA_URL"] = world.env["GRAFANA_URL"].replace("127.0.0.1", "localhost")
    world.influx_call("DELETE", f"/api/v2/buckets/{world.bucket_id('acme')}")

    run = world.run()

    assert (run.status, run.logged[-1]) == (0, "powerview: repaired acme: bucket, token")
    called = [token["description"] for token in world.tokens().values() if "reads acme" in token["description"]]
    assert called == [f"powerview: grafana reads acme ({world.env['GRAFANA_URL']})"]


@QUICKLY
def test_another_data_source_of_the_clients_name_is_reported_and_the_other_clients_go_on(world: World):
    world.campaigns("globex/roof")
    world.make_everything()
    world.campaigns("acme/roof", "zeta/roof")
    by_hand = {"name": "acme", "uid": "by-hand", "type": "influxdb", "access": "proxy", "url": "http://elsewhere"}
    world.grafana.call("POST", "/api/datasources", by_hand)

    run = world.run()

    reason = (
        "Grafana has another data source called acme (uid by-hand): rename or delete that one "
        "(Connections, Data sources)."
    )
    assert run.status == 2
    assert run.logged == [
        "powerview: created zeta",
        "powerview: created zeta/roof",
        f"powerview: not finished: acme: {reason}",
    ]
    assert world.to_do() == [
        "powerview: would repair acme: bucket, token, data source",
        "powerview: would create acme/roof",
    ]


def make_the_tree(world: World) -> None:
    """All that TREE asks for, and a token of somebody else's that can read the same bucket."""
    world.campaigns("acme/roof", "acme/hall", "globex/roof")
    world.make_everything()
    resource = {"type": "buckets", "id": world.bucket_id("acme"), "orgID": world.influx_org}
    make_token(world, "somebody's: grafana reads acme", [{"action": "read", "resource": resource}])


def make_token(world: World, description: str, may: list[dict]) -> str:
    """A token made by hand; its id."""
    body = {"orgID": world.influx_org, "description": description, "permissions": may}
    return world.influx_call("POST", "/api/v2/authorizations", json=body).json()["id"]


def team_id(world: World, name: str) -> int:
    """A team's number."""
    (team,) = world.grafana.get(f"/api/teams/search?name={name}")["teams"]
    return team["id"]


def token_id(world: World) -> str:
    """The id of the token that acme's data source uses."""
    return world.grafana.get(f"/api/datasources/uid/{SOURCE}")["jsonData"]["powerviewAuthorization"]


def change_source(world: World, **changes) -> None:
    """A person's save of acme's data source."""
    present = world.grafana.get(f"/api/datasources/uid/{SOURCE}")
    fields = ("uid", "name", "type", "access", "url", "basicAuth", "isDefault", "jsonData")
    body = {**{k: present[k] for k in fields}, **changes}
    world.grafana.call("PUT", f"/api/datasources/uid/{SOURCE}", body)


def without_ids(write: str) -> str:
    """A write with the id of a token or a team replaced: nobody can know it beforehand."""
    return re.sub(r"(/api/v2/authorizations|/api/teams)/\w+", r"\1/ID", write)
