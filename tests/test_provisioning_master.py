"""Masters that cannot be cloned are refused before anything is written, with a sentence on what to do."""

from __future__ import annotations

from grafana_automation import dashboard
from provisioning_world import MASTER, ON_CONTRACT, QUICKLY, World

pytest_plugins = ("provisioning_fixture",)


@ON_CONTRACT
def test_a_master_in_the_new_schema_is_refused_before_anything_is_written(world: World):
    world.campaigns("acme/roof")
    world.contract.save_as_v2("powerview-master")

    runs = [world.run(*options, playbook=playbook) for playbook, options in [
        ("create_grafana_resources", []), ("create_grafana_resources", ["--check"]), ("update_dashboards", []),
    ]]  # fmt: skip

    for run in runs:
        assert run.status == 2
        assert run.told == [f"powerview: the Master {dashboard.IN_V2}. {dashboard.SAVE_AS_CLASSIC}"]
    assert world.journal.writes == []


@QUICKLY
def test_a_master_that_offers_data_sources_is_refused(world: World):
    world.campaigns("acme/roof")
    choice = {"name": "source", "type": "datasource", "query": "influxdb", "current": {}, "options": []}
    edited = {**world.grafana.dashboard("powerview-master"), "id": None}
    edited["templating"] = {"list": [*MASTER["templating"]["list"], choice]}
    body = {"dashboard": edited, "folderUid": "powerview-admin", "overwrite": True, "message": "by hand"}
    world.grafana.call("POST", "/api/dashboards/db", body)

    run = world.run()

    assert (run.status, world.journal.writes) == (2, [])
    assert run.told == [
        "powerview: the Master's variable 'source' lets people choose a data source, so every client would be offered "
        "those of the others: remove it from Master."
    ]


@ON_CONTRACT
def test_a_campaigns_dashboard_that_was_saved_in_the_new_schema_is_kept(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    (uid,) = set(world.contract.orgs[1].dashboards) - {"powerview-master"}
    world.contract.save_as_v2(uid)

    run = world.run()
    assert (run.status, run.changed, world.journal.writes) == (0, 0, [])

    update = world.run(playbook="update_dashboards")
    if world.kind == "12.4":  # nobody can say what differs; asked to, the run brings the Master over
        assert update.told == ["powerview: updated acme/roof: saved in the new schema"]
    assert update.status == 0


@ON_CONTRACT
def test_a_dashboard_in_the_new_schema_that_a_late_search_does_not_list_is_kept(world: World):
    world.campaigns("acme/roof")
    world.contract.freeze_index()
    world.make_everything()
    (uid,) = set(world.contract.orgs[1].dashboards) - {"powerview-master"}
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
    assert run.told == [
        f"powerview: not finished: acme: dashboard {uid} {dashboard.IN_V2}: move it back into its client's folder by "
        f"hand."
    ]


@QUICKLY
def test_a_master_with_a_library_panel_is_refused_before_anything_is_written(world: World):
    world.campaigns("acme/roof")
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
            assert (run.status, run.told, world.journal.writes) == (2, [refusal], [])


def save_master(world: World, **changes) -> None:
    """An admin's save of the Master."""
    content = {**world.grafana.dashboard("powerview-master"), "id": None, **changes}
    body = {"dashboard": content, "folderUid": "powerview-admin", "overwrite": True, "message": "by hand"}
    world.grafana.call("POST", "/api/dashboards/db", body)
