"""From a new folder to a dashboard: `create_grafana_resources.yml`, run as a person or the hook runs it."""

from __future__ import annotations

import re

import requests
from grafana_automation import tree
from provisioning_world import (
    MASTER,
    QUICKLY,
    QUICKLY_ON_CONTRACT,
    World,
    expected,
    expected_in_influx,
)

pytest_plugins = ("provisioning_fixture",)

ACME = tree.describe("acme", ["roof", "hall"])
FOLDER, DATA_SOURCE = ACME["folder_uid"], ACME["data_source_uid"]
ROOF, HALL = (c["uid"] for c in ACME["campaigns"])
OVERVIEW = ACME["overview"]["uid"]


@QUICKLY
def test_a_new_campaign_gets_all_that_its_client_needs_and_a_second_run_does_nothing(world: World):
    world.campaigns("acme/roof")
    outsider = world.add_person("outsider")
    seen = []
    world.journal.after = lambda _, call: seen.append((str(call), titles(outsider)))

    run = world.run_ansible()

    assert (run.status, run.logged) == (
        0,
        [
            "powerview: repaired admin: permissions, bucket, token, data source",
            "powerview: created acme",
            "powerview: created acme/roof",
        ],
    )
    assert [(re.sub(r"teams/\d+", "teams/N", call), found) for call, found in seen] == [
        ("grafana POST /api/folders/powerview-admin/permissions → 200", []),
        ("influxdb POST /api/v2/buckets → 201", []),
        ("influxdb POST /api/v2/authorizations → 201", []),
        ("grafana POST /api/datasources → 200", []),
        ("grafana POST /api/teams → 200", []),
        ("grafana POST /api/folders → 200", ["acme"]),  # Grafana opens a new root folder to everyone
        (f"grafana POST /api/folders/{FOLDER}/permissions → 200", []),
        ("influxdb POST /api/v2/buckets → 201", []),
        ("influxdb POST /api/v2/authorizations → 201", []),
        ("grafana POST /api/datasources → 200", []),
        ("grafana POST /api/dashboards/db → 200", []),
        (f"grafana POST /api/dashboards/uid/{ROOF}/permissions → 200", []),
        ("grafana POST /api/dashboards/db → 200", []),
        (f"grafana POST /api/dashboards/uid/{OVERVIEW}/permissions → 200", []),
        ("grafana PUT /api/teams/N/preferences → 200", []),
    ]
    assert world.state() == {**expected(world, {"acme": ["roof"]}), **expected_in_influx(world, ["acme"])}

    again = world.run_ansible()

    assert (again.status, again.changed, again.logged, world.journal.writes) == (0, 0, [], [])


@QUICKLY
def test_a_dashboard_is_the_master_with_its_own_data_source_and_constants(world: World):
    world.make_everything()  # the admins' things: this is about the client's
    world.campaigns("acme/roof")
    world.env["POWERVIEW_TIMEZONE"] = "America/Toronto"

    assert world.run().status == 0

    def constant(name, value):
        choice = {"text": value, "value": value}
        return {
            **{"name": name, "type": "constant", "hide": 2, "query": value},
            "current": {"selected": False, **choice},
            "options": [{"selected": True, **choice}],
        }

    own = {"type": "influxdb", "uid": DATA_SOURCE}
    (panel,), (annotation,) = MASTER["panels"], MASTER["annotations"]["list"]
    made = world.grafana.dashboard(ROOF)
    assert {k: v for k, v in made.items() if k not in ("id", "version")} == {
        **MASTER,
        "uid": ROOF,
        "title": "roof",
        "tags": ["powerview", "acme"],
        "timezone": "America/Toronto",
        "panels": [{**panel, "datasource": own, "targets": [{**panel["targets"][0], "datasource": own}]}],
        "templating": {
            "list": [
                constant("campaign", "roof"),
                constant("timezone", "America/Toronto"),
                {**MASTER["templating"]["list"][2], "datasource": own, "current": {}, "options": []},
            ]
        },
        "annotations": {"list": [{**annotation, "datasource": own}]},
    }


@QUICKLY_ON_CONTRACT  # a real Grafana shows no token; `test_provisioning_real.py` queries through it
def test_the_token_reads_the_clients_bucket_and_nothing_else(influx, world: World):
    world.make_everything()
    world.campaigns("acme/roof")
    assert world.run().status == 0
    world.influx_call("POST", "/api/v2/buckets", json={"orgID": world.influx_org, "name": "globex"})
    token = world.contract.orgs[1].data_sources[DATA_SOURCE]["secureJsonData"]["token"]

    def status(method: str, path: str, data: str) -> int:
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/vnd.flux"}
        params = {"orgID": world.influx_org, "bucket": "acme"}
        return requests.request(method, influx.url + path, params=params, data=data, headers=headers).status_code

    assert status("POST", "/api/v2/query", 'from(bucket: "acme") |> range(start: -1h)') == 200
    assert status("POST", "/api/v2/query", 'from(bucket: "globex") |> range(start: -1h)') == 404
    assert status("POST", "/api/v2/query", 'from(bucket: "powerview") |> range(start: -1h)') == 404
    assert status("POST", "/api/v2/write", "m value=1") == 403


@QUICKLY
def test_a_run_makes_what_the_quick_way_of_these_tests_makes(world: World):
    world.campaigns("acme/roof", "acme/hall", "globex/roof")
    world.make_everything()

    run = world.run()

    assert (run.status, run.changed, world.journal.writes) == (0, 0, [])
    tree_now = {"acme": ["roof", "hall"], "globex": ["roof"]}
    assert world.state() == {**expected(world, tree_now), **expected_in_influx(world, list(tree_now))}


@QUICKLY
def test_a_member_of_a_team_sees_its_own_client_only(world: World):
    world.campaigns("acme/roof", "globex/hall")
    world.make_everything()
    ann, bob = world.add_person("ann", "acme"), world.add_person("bob", "globex")

    assert titles(ann) == ["Overview", "acme", "roof"]
    assert titles(bob) == ["Overview", "globex", "hall"]
    assert ann.dashboard(ROOF)["title"] == "roof"
    assert bob.call("GET", f"/api/dashboards/uid/{ROOF}?apiVersion=v1beta1", ok=(403,)) == 403
    assert bob.call("GET", f"/api/folders/{FOLDER}", ok=(403,)) == 403
    assert bob.call("GET", "/api/dashboards/uid/powerview-master?apiVersion=v1beta1", ok=(403,)) == 403


@QUICKLY
def test_what_is_asked_for_by_name_needs_no_folder_and_nothing_else_is_made(world: World):
    world.make_everything()
    world.campaigns("other/roof")
    (world.data / "empty").mkdir()  # a client without campaigns gets nothing yet

    only = world.run(POWERVIEW_CLIENT="acme", POWERVIEW_CAMPAIGN="roof")
    nothing = world.run(POWERVIEW_CLIENT="empty")
    none = world.run(POWERVIEW_CLIENT="notthere")

    assert only.logged == ["powerview: created acme", "powerview: created acme/roof"]
    assert [(r.status, r.changed, r.logged) for r in (nothing, none)] == [(0, 0, [])] * 2
    assert world.state() == {**expected(world, {"acme": ["roof"]}), **expected_in_influx(world, ["acme"])}


@QUICKLY
def test_a_campaign_without_a_client_is_refused(world: World):
    run = world.run(POWERVIEW_CAMPAIGN="roof")

    assert run.status == 2
    assert run.logged == [
        "powerview: POWERVIEW_CAMPAIGN is 'roof' but POWERVIEW_CLIENT is not set: a campaign belongs to a client."
    ]
    assert world.journal.calls == []


@QUICKLY
def test_check_mode_tells_what_would_be_done_and_does_none_of_it(world: World):
    world.campaigns("acme/roof")
    before = world.state()

    new = world.run("--check")

    assert (new.status, world.journal.writes) == (0, [])
    assert new.logged == [
        "powerview: would repair admin: permissions, bucket, token, data source",
        "powerview: would create acme",
        "powerview: would create acme/roof",
    ]
    assert new.changed == 6  # the admins' things, and each noun of the client's
    assert world.state() == before

    world.make_everything()
    world.grafana.call("POST", f"/api/folders/{FOLDER}/permissions", {"items": []})
    damaged = world.run("--check")

    assert (damaged.changed, damaged.logged) == (1, ["powerview: would repair acme: permissions"])
    assert world.journal.writes == []


@QUICKLY
def test_what_is_in_the_way_of_a_data_source_keeps_nothing_open(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    outsider = world.add_person("outsider")
    world.grafana.call("DELETE", f"/api/datasources/uid/{DATA_SOURCE}")
    by_hand = {"name": "acme", "uid": "by-hand", "type": "influxdb", "access": "proxy", "url": "http://elsewhere"}
    world.grafana.call("POST", "/api/datasources", by_hand)
    everybody = {"items": [{"role": "Viewer", "permission": 1}]}
    for opened in (f"folders/{FOLDER}", f"dashboards/uid/{ROOF}"):
        world.grafana.call("POST", f"/api/{opened}/permissions", everybody)
    assert titles(outsider) == ["Overview", "acme", "roof"]
    reason = (
        "acme: Grafana has another data source called acme (uid by-hand): rename or delete that one "
        "(Connections, Data sources)."
    )

    ahead = world.run("--check")
    assert world.journal.writes == []
    run = world.run()

    assert ahead.logged == [
        "powerview: would repair acme: permissions, token, data source",
        "powerview: would repair acme/roof: permissions",
        f"powerview: would not finish {reason}",
    ]
    assert (run.status, run.changed, run.logged) == (2, 2, [f"powerview: not finished: {reason}"])
    assert world.journal.writes == [
        f"grafana POST /api/folders/{FOLDER}/permissions → 200",
        f"grafana POST /api/dashboards/uid/{ROOF}/permissions → 200",
    ]
    assert titles(outsider) == []


@QUICKLY
def test_a_persons_edits_of_a_dashboard_are_kept(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    edited = {**world.grafana.dashboard(ROOF), "id": None, "title": "Roof, south side", "tags": ["mine"]}
    edited["panels"] = [{**edited["panels"][0], "title": "My own title"}]
    save(world, edited, FOLDER)
    world.grafana.call("PUT", f"/api/folders/{FOLDER}", {"title": "ACME & Sons", "overwrite": True})
    before = world.grafana.dashboard(ROOF)

    run = world.run()

    assert (run.status, run.changed, world.journal.writes) == (0, 0, [])
    assert world.grafana.dashboard(ROOF) == before


@QUICKLY
def test_a_dashboard_that_somebody_makes_meanwhile_is_not_overwritten(world: World):
    world.campaigns("acme/hall")
    world.make_everything()
    world.campaigns("acme/roof")
    theirs = {**world.grafana.dashboard(HALL), "id": None, "uid": ROOF, "title": "Theirs"}

    def somebody_is_quicker(_number, what):
        if what.endswith("/api/dashboards/db"):
            save(world, theirs, FOLDER)

    world.journal.before = somebody_is_quicker
    run = world.run()

    assert (run.status, world.to_do()) == (0, [])
    assert world.grafana.dashboard(ROOF)["title"] == "Theirs"


@QUICKLY_ON_CONTRACT  # a real Grafana provisions the Master, and does not let it be deleted
def test_where_grafana_has_no_master_the_file_is_imported(world: World):
    world.contract.orgs[1].folders.clear()
    world.contract.orgs[1].dashboards.clear()
    world.campaigns("acme/roof")

    run = world.run()

    assert run.logged == [
        "powerview: created admin",
        "powerview: created admin/Master",
        "powerview: created acme",
        "powerview: created acme/roof",
    ]
    assert world.journal.writes[:2] == [
        "grafana POST /api/folders → 200",
        "grafana POST /api/folders/powerview-admin/permissions → 200",
    ]
    again = world.run()
    assert (again.changed, world.journal.writes) == (0, [])


@QUICKLY_ON_CONTRACT
def test_a_search_that_runs_behind_makes_nothing_twice(world: World):
    world.make_everything()
    world.campaigns("acme/roof")
    world.contract.freeze_index()

    first, again = world.run(), world.run()

    assert first.logged == ["powerview: created acme", "powerview: created acme/roof"]
    assert (again.changed, world.journal.writes) == (0, [])


def titles(person) -> list[str]:
    """What somebody finds in Grafana."""
    return sorted(hit["title"] for hit in person.get("/api/search?limit=5000"))


def save(world: World, dashboard: dict, folder: str) -> None:
    """A person's save of a dashboard."""
    body = {"dashboard": dashboard, "folderUid": folder, "overwrite": True, "message": "by hand"}
    world.grafana.call("POST", "/api/dashboards/db", body)
