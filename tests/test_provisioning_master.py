"""Masters that cannot be cloned are refused before anything is written, with a sentence on what to do."""

from __future__ import annotations

import json

import pytest
from grafana_automation import dashboard
from provisioning_by_hand import MASTER, uid_of
from provisioning_world import ON_CONTRACT, QUICKLY, World

pytest_plugins = ("provisioning_fixture",)

DATA_SOURCES = {"name": "source", "type": "datasource", "query": "influxdb", "current": {}, "options": []}
FOLDER, ROOF = uid_of("f", "acme"), uid_of("b", "acme/roof")
SAVED = "grafana POST /api/dashboards/db → 200"


@ON_CONTRACT
def test_a_master_in_the_new_schema_is_refused_before_anything_is_cloned(world: World):
    world.contract.save_as_v2("powerview-master")
    world.make_everything()  # the admins' things
    world.campaigns("acme/roof")

    runs = [world.run(*options, playbook=playbook) for playbook, options in [
        ("create_grafana_resources", []), ("create_grafana_resources", ["--check"]), ("update_dashboards", []),
    ]]  # fmt: skip

    for run in runs:
        assert run.status == 2
        assert run.logged[-1] == f"powerview: the Master {dashboard.IN_V2}. {dashboard.SAVE_AS_CLASSIC}"
    assert [run.logged[:-1] for run in runs] == [["powerview: created acme"], [], []]
    assert world.contract.orgs[1].dashboards.keys() == {"powerview-master"}


@QUICKLY
def test_a_master_that_cannot_be_cloned_keeps_no_folder_and_no_dashboard_open(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    everybody = {"items": [{"role": "Viewer", "permission": 1}]}
    for opened in (f"folders/{FOLDER}", f"dashboards/uid/{ROOF}"):
        world.grafana.call("POST", f"/api/{opened}/permissions", everybody)
    world.campaigns("acme/hall")
    save_master(world, panels=[], templating={"list": [DATA_SOURCES]})

    run = world.run()

    assert (run.status, run.logged[:-1]) == (
        2, ["powerview: repaired acme: permissions", "powerview: repaired acme/roof: permissions"],
    )  # fmt: skip
    assert run.logged[-1].startswith("powerview: the Master's variable 'source' lets people choose a data source")
    assert SAVED not in world.journal.writes
    assert world.to_do() == []


@QUICKLY
def test_a_master_that_offers_data_sources_is_refused(world: World):
    world.campaigns("acme/roof")
    save_master(world, templating={"list": [*MASTER["templating"]["list"], DATA_SOURCES]})

    run = world.run()

    assert (run.status, SAVED in world.journal.writes) == (2, False)
    assert run.logged[-1:] == [
        "powerview: the Master's variable 'source' lets people choose a data source, so every client would be offered "
        "those of the others: remove it from Master."
    ]


@ON_CONTRACT
def test_a_campaigns_dashboard_that_was_saved_in_the_new_schema_is_kept(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    uid = ROOF
    world.contract.save_as_v2(uid)

    run = world.run()
    assert (run.status, run.changed, world.journal.writes) == (0, 0, [])

    update = world.run(playbook="update_dashboards")
    if world.kind == "12.4":  # nobody can say what differs; asked to, the run brings the Master over
        assert update.logged == ["powerview: updated acme/roof: saved in the new schema"]
    assert update.status == 0


@ON_CONTRACT
def test_a_dashboard_in_the_new_schema_that_a_late_search_does_not_list_is_kept(world: World):
    world.campaigns("acme/roof")
    world.contract.freeze_index()
    world.make_everything()
    uid = ROOF
    world.contract.save_as_v2(uid)

    assert world.to_do() == []


@ON_CONTRACT
def test_a_moved_dashboard_that_was_saved_in_the_new_schema_is_left_to_a_person(world: World):
    world.campaigns("acme/roof", "globex/hall")
    world.make_everything()
    org = world.contract.orgs[1]
    uid = next(u for u, d in org.dashboards.items() if d["json"]["title"] == "roof")
    org.dashboards[uid]["folder"] = next(u for u, f in org.folders.items() if f["title"] == "globex")
    world.contract.save_as_v2(uid)

    run = world.run()

    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        f"powerview: not finished: acme: dashboard {uid} {dashboard.IN_V2}: move it back into its client's folder by "
        f"hand."
    ]


@QUICKLY
def test_a_master_with_a_library_panel_is_refused_before_anything_is_cloned(world: World):
    world.campaigns("acme/roof")
    if not world.contract:  # which does not ask whether it is there
        element = {"uid": "shared", "name": "Shared", "kind": 1, "model": {"type": "timeseries", "title": "Shared"}}
        world.grafana.call("POST", "/api/library-elements", element)
    linked = {"id": 9, "type": "timeseries", "title": "Shared", "libraryPanel": {"uid": "shared", "name": "Shared"}}
    refusal = (
        "powerview: the Master's panel 'Shared' is a library panel: its query and its data source lie outside the "
        "Master, the same for every client. In Master unlink it (panel menu, Unlink library panel), save the Master, "
        "and run again."
    )
    for panel in (linked, {"id": 8, "type": "row", "title": "Folded", "collapsed": True, "panels": [linked]}):
        save_master(world, panels=[*MASTER["panels"], panel])

        for playbook in ("create_grafana_resources", "update_dashboards"):
            run = world.run(playbook=playbook)
            assert (run.status, run.logged[-1], SAVED in world.journal.writes) == (2, refusal, False)


CLIENTS_OWN = {"type": "influxdb", "uid": "pv-d-own"}
GRAFANAS = (
    {"type": "grafana", "uid": "-- Grafana --"}, {"type": "datasource", "uid": "grafana"}, "-- Grafana --",
    {"type": "datasource", "uid": "-- Mixed --"}, {"type": "datasource", "uid": "-- Dashboard --"}, "-- Mixed --",
    {"type": "__expr__", "uid": "__expr__"}, "__expr__", {"type": "__expr__", "uid": "-100"},
)  # fmt: skip
SOMEBODYS = (
    "acme", "default", "", None, "${source}", {}, {"uid": "acme"}, {"uid": "default"}, {"uid": None},
    {"type": "influxdb"}, {"type": "influxdb", "uid": ""}, {"type": "influxdb", "uid": "acme"},
    {"type": "influxdb", "uid": "grafana"}, {"type": "influxdb", "uid": "${source}"}, {"type": "datasource"},
    {"type": "datasource", "uid": "acme"}, {"type": "prometheus"}, {"type": "prometheus", "uid": "default"},
    {"type": "prometheus", "uid": "$source"}, {"type": "prometheus", "uid": "pv-d-acme"},
)  # fmt: skip
OF_THE_ADMINS = {"type": "prometheus", "uid": "machines"}


def clone(**content) -> dict:
    """A clone of the small Master with other content."""
    return dashboard.clone({**MASTER, **content}, "acme", "roof", "pv-b-x", "pv-d-own", "Europe/Paris")


@pytest.mark.parametrize("reference", SOMEBODYS, ids=json.dumps)
def test_a_reference_that_may_be_anybodys_becomes_the_clients(reference):
    made = clone(
        panels=[{"type": "row", "panels": [{"datasource": reference, "targets": [{"datasource": reference}]}]}],
        templating={"list": [{"name": "channels", "type": "query", "datasource": reference}]},
        annotations={"list": [{"name": "Restarts", "datasource": reference}]},
    )

    (panel,) = made["panels"][0]["panels"]
    asking = [panel, *panel["targets"], *made["templating"]["list"], *made["annotations"]["list"]]
    assert [node["datasource"] for node in asking] == [CLIENTS_OWN] * 4


@pytest.mark.parametrize("reference", [*GRAFANAS, OF_THE_ADMINS], ids=json.dumps)
def test_grafanas_own_and_what_names_a_data_source_of_another_kind_stays(reference):
    (panel,) = clone(panels=[{"datasource": reference, "targets": [{"datasource": reference}]}])["panels"]

    assert (panel["datasource"], panel["targets"][0]["datasource"]) == (reference, reference)


def test_what_names_no_data_source_gets_the_clients_or_its_panels():
    variables = [{"name": kind, "type": kind} for kind in ("query", "adhoc", "groupby", "constant", "custom")]
    made = clone(
        panels=[
            {"type": "timeseries", "targets": [{"refId": "A"}]},
            {"type": "timeseries", "datasource": "-- Mixed --", "targets": [{"refId": "A"}]},
            {"type": "timeseries", "datasource": GRAFANAS[3], "targets": [{"refId": "A", "datasource": None}]},
            {"type": "timeseries", "datasource": GRAFANAS[4], "targets": [{"refId": "A"}]},
            {"type": "text"},
            {"type": "row", "panels": [{"type": "stat", "targets": [{"refId": "A"}]}]},
        ],
        templating={"list": variables},
        annotations={"list": [{"name": "Restarts"}, {"name": "Annotations & Alerts", "builtIn": 1}]},
    )

    *shown, text, row = made["panels"]
    (folded,) = row["panels"]
    assert [p["datasource"] for p in [*shown, folded]] == [CLIENTS_OWN, "-- Mixed --", *GRAFANAS[3:5], CLIENTS_OWN]
    asked = [p["targets"][0]["datasource"] for p in [*shown, folded]]
    assert asked == [CLIENTS_OWN, CLIENTS_OWN, CLIENTS_OWN, GRAFANAS[4], CLIENTS_OWN]
    assert [node for node in (text, row) if "datasource" in node] == []
    assert [v.get("datasource") for v in made["templating"]["list"]] == [CLIENTS_OWN] * 3 + [None] * 2
    assert [a.get("datasource") for a in made["annotations"]["list"]] == [CLIENTS_OWN, None]


@QUICKLY
def test_a_master_whose_campaign_is_no_constant_is_refused_before_anything_is_cloned(world: World):
    world.campaigns("acme/roof")
    others = MASTER["templating"]["list"][1:]
    textbox = {"name": "campaign", "type": "textbox", "query": "roof", "current": {"text": "roof", "value": "roof"}}
    for variables in ([textbox, *others], others, [textbox, *MASTER["templating"]["list"]]):
        save_master(world, templating={"list": variables})

        run = world.run()

        assert (run.status, SAVED in world.journal.writes) == (2, False)
        assert run.logged[-1:] == [
            "powerview: the Master has no constant 'campaign', which says whose readings a dashboard shows, so every "
            "campaign would show the same ones: in Master make its variable 'campaign' a constant again (Settings, "
            "Variables), save the Master, and run again."
        ]


def test_filters_that_somebody_had_set_in_the_master_are_forgotten():
    chosen = {"name": "filters", "type": "adhoc", "filters": [{"key": "device", "operator": "=", "value": "02001084"}]}

    made = clone(templating={"list": [chosen]})

    assert made["templating"]["list"] == [{**chosen, "filters": [], "datasource": CLIENTS_OWN}]


def save_master(world: World, **changes) -> None:
    """An admin's save of the Master."""
    content = {**world.grafana.dashboard("powerview-master"), "id": None, **changes}
    body = {"dashboard": content, "folderUid": "powerview-admin", "overwrite": True, "message": "by hand"}
    world.grafana.call("POST", "/api/dashboards/db", body)
