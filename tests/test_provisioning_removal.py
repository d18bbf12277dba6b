"""Deleting a client: what people put into its folder stays, and the token goes all the same."""

from __future__ import annotations

import pytest
from grafana_automation import tree
from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World, expected_in_influx

pytest_plugins = ("provisioning_fixture",)

ACME = tree.describe("acme", ["roof"])
FOLDER, SOURCE = ACME["folder_uid"], ACME["data_source_uid"]
LEFT = "powerview: left acme: its folder, with what PowerView did not make for it: "


def delete(world: World, *options: str, **variables: str):
    """Run the playbook for the client acme."""
    variables = {f"POWERVIEW_{name}": value for name, value in variables.items()}
    return world.run(*options, playbook="delete_grafana_resources", POWERVIEW_CLIENT="acme", **variables)


def add_alert_rule(world: World) -> None:
    """An alert rule of a person's in the client's folder."""
    query = {"refId": "A", "query": "buckets()"}
    data = {"refId": "A", "relativeTimeRange": {"from": 600, "to": 0}, "datasourceUid": SOURCE, "model": query}
    rule = {
        "title": "Too much", "ruleGroup": "hourly", "folderUID": FOLDER, "orgID": 1, "condition": "A", "data": [data],
        "noDataState": "OK", "execErrState": "OK", "for": "5m",
    }  # fmt: skip
    world.grafana.call("POST", "/api/v1/provisioning/alert-rules", rule, ok=(200, 201))


def add_library_panel(world: World) -> None:
    """A library panel of a person's in the client's folder, which a dashboard elsewhere uses."""
    panel = {"name": "Power", "kind": 1, "folderUid": FOLDER, "model": {"type": "timeseries", "title": "Power"}}
    made = world.grafana.call("POST", "/api/library-elements", panel)["result"]
    used = {"id": 1, "type": "timeseries", "title": "Power", "libraryPanel": {"uid": made["uid"], "name": "Power"}}
    content = {"uid": "uses-it", "title": "Uses it", "schemaVersion": 39, "panels": [used]}
    body = {"dashboard": content, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)


@QUICKLY
@pytest.mark.parametrize(
    ("add", "what"), [(add_alert_rule, "alert rules (1)"), (add_library_panel, "library panels (1)")]
)
def test_a_folder_that_grafana_does_not_delete_is_reported_and_all_else_goes(world: World, add, what: str):
    world.campaigns("acme/roof")
    world.make_everything()
    add(world)

    ahead = delete(world, "--check", CONFIRM="acme", DELETE_BUCKET="acme")
    assert world.journal.writes == []
    run = delete(world, CONFIRM="acme", DELETE_BUCKET="acme")
    again = delete(world, CONFIRM="acme", DELETE_BUCKET="acme")

    things = "dashboard, overview, token, data source, bucket with all readings, team"
    assert (ahead.logged[0], ahead.logged[1:]) == (f"powerview: would delete acme: {things}", run.logged[1:])
    assert (run.status, run.logged[:2]) == (0, [f"powerview: deleted acme: {things}", LEFT + what])
    assert (again.changed, again.logged[0]) == (0, LEFT + what)
    assert world.in_influx() == expected_in_influx(world, [])
    assert world.state()["folders"].keys() == {"powerview-admin", FOLDER}


@QUICKLY_ON_CONTRACT
def test_what_the_search_does_not_list_yet_is_left_with_its_folder(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.contract.freeze_index()
    mine = {"uid": "by-hand", "title": "My own", "panels": [], "schemaVersion": 39}
    body = {"dashboard": mine, "folderUid": FOLDER, "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)

    run = delete(world, CONFIRM="acme")

    assert run.logged[:2] == [
        "powerview: deleted acme: dashboard, overview, token, data source, team",
        f"{LEFT}dashboards that its search does not list yet (1)",
    ]
    assert world.contract.orgs[1].dashboards.keys() == {"powerview-master", "by-hand"}


@QUICKLY_ON_CONTRACT
def test_a_dashboard_moved_since_the_search_last_looked_hides_nobodys(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.contract.freeze_index()
    dashboards = world.contract.orgs[1].dashboards
    dashboards[ACME["campaigns"][0]["uid"]]["folder"] = ""
    mine = {"uid": "by-hand", "title": "My own", "panels": [], "schemaVersion": 39}
    body = {"dashboard": mine, "folderUid": FOLDER, "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)

    run = delete(world, CONFIRM="acme")

    assert run.logged[0] == "powerview: deleted acme: dashboard, overview, token, data source, team"
    assert dashboards.keys() == {"powerview-master", "by-hand"}


@QUICKLY
@pytest.mark.parametrize("campaign", ["", "roof"])
def test_nothing_is_deleted_of_an_organisation_that_has_put_our_login_out(world: World, campaign: str):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    assert world.run().status == 0
    acme = world.org("acme")
    world.add_person("boss", org=acme)
    world.grafana.call("PATCH", f"/api/orgs/{acme}/users/{world.user_id('boss')}", {"role": "Admin"})
    world.grafana.call("DELETE", f"/api/orgs/{acme}/users/{world.user_id(world.own_login())}")
    confirm = f"acme/{campaign}" if campaign else "acme"

    run = delete(world, CAMPAIGN=campaign, CONFIRM=confirm)

    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        f"powerview: {world.own_login()}, PowerView's login, is no Admin of acme's organisation in Grafana, and "
        f"nothing was deleted. Make it one (Administration, Organizations), or run create_grafana_resources.yml while "
        f"the client has a folder, which does it."
    ]
    assert world.run().status == 0
    assert delete(world, CAMPAIGN=campaign, CONFIRM=confirm).logged[0].startswith(f"powerview: deleted {confirm}: ")
