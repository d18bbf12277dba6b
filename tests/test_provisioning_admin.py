"""What belongs to the admins: the playbooks' own login, the Master and its file, the time zone, alerting of before."""

from __future__ import annotations

from pathlib import Path

import pytest
from grafana_automation import master
from provisioning_by_hand import MASTER, GrafanaClient, uid_of
from provisioning_world import PASSWORD, QUICKLY, QUICKLY_ON_CONTRACT, World, expected, expected_in_influx

from powerview.settings import load_settings

pytest_plugins = ("provisioning_fixture",)

SAVED = "grafana POST /api/dashboards/db → 200"
MASTERS = "powerview-master"


# ── the playbooks' own login ─────────────────────────────────────────────────────────────────────────────────────────


def without_own_login(world: World) -> None:
    """An installation whose playbooks worked with the admin's login."""
    number = world.user_id(world.own_login())
    world.grafana.call("DELETE", f"/api/admin/users/{number}")


@QUICKLY
def test_the_first_run_makes_a_login_of_its_own_that_later_ones_work_with(world: World):
    world.make_everything()
    without_own_login(world)

    ahead = world.run("--check")
    assert world.journal.writes == []
    run = world.run()
    writes = world.journal.writes
    again = world.run()

    assert ahead.logged == ["powerview: would repair admin: our login"]
    assert run.logged == ["powerview: repaired admin: our login"]
    number = world.user_id(world.own_login())
    assert writes == [
        "grafana POST /api/admin/users → 200",
        f"grafana PUT /api/admin/users/{number}/permissions → 200",
        f"grafana PATCH /api/orgs/1/users/{number} → 200",
    ]
    assert (again.changed, world.journal.writes) == (0, [])


@QUICKLY
@pytest.mark.parametrize("damage", ["role", "member", "server admin", "password"])
def test_the_login_is_repaired_whatever_somebody_takes_from_it(world: World, damage: str):
    world.make_everything()
    number = world.user_id(world.own_login())
    call, path, body = {
        "role": ("PATCH", f"/api/orgs/1/users/{number}", {"role": "Viewer"}),
        "member": ("DELETE", f"/api/orgs/1/users/{number}", None),
        "server admin": ("PUT", f"/api/admin/users/{number}/permissions", {"isGrafanaAdmin": False}),
        "password": ("PUT", f"/api/admin/users/{number}/password", {"password": "of somebody else"}),
    }[damage]
    world.grafana.call("POST", "/api/orgs", {"name": "another"})  # Grafana deletes who is a member of none
    another = world.org("another")
    member = {"loginOrEmail": world.own_login(), "role": "Viewer"}
    world.grafana.call("POST", f"/api/orgs/{another}/users", member)
    world.grafana.call(call, path, body)

    run, again = world.run(), world.run()

    assert (run.status, run.logged) == (0, ["powerview: repaired admin: our login"])
    assert (again.changed, world.journal.writes) == (0, [])


@QUICKLY_ON_CONTRACT  # a real Grafana's lock lasts five minutes
@pytest.mark.parametrize("isolation", ["team", "org"])
def test_a_stranger_who_locks_the_admins_login_does_not_stop_provisioning(world: World, isolation: str):
    world.env["POWERVIEW_ISOLATION"] = isolation
    world.make_everything()
    world.campaigns("acme/roof")
    world.contract.users[0].locked = True

    run = world.run()

    assert (run.status, run.logged) == (0, ["powerview: created acme", "powerview: created acme/roof"])


@QUICKLY
def test_nobody_can_guess_the_login_and_it_says_nothing_of_the_password(world: World):
    name = world.own_login()
    world.env["GRAFANA_PASSWORD"] += "!"

    assert world.own_login() != name
    assert name.startswith("powerview-")
    assert len(name) == len("powerview-") + 20
    assert PASSWORD not in name


@QUICKLY
def test_a_new_password_of_the_admins_makes_a_new_login_and_the_old_one_is_gone(world: World):
    world.make_everything()
    before = world.own_login()
    world.add_person("powerview-anna")  # a person's, whatever it begins with
    world.grafana.call("PUT", f"/api/admin/users/{world.user_id('admin')}/password", {"password": "another one"})
    world.env["GRAFANA_PASSWORD"] = "another one"
    world.grafana.session.auth = ("admin", "another one")

    run = world.run()

    assert (run.status, run.logged) == (0, ["powerview: repaired admin: our login"])
    assert world.grafana.call("GET", f"/api/users/lookup?loginOrEmail={before}", ok=(404,)) == 404
    assert world.user_id("powerview-anna")
    assert world.run().changed == 0


@QUICKLY
@pytest.mark.parametrize("isolation", ["team", "org"])
def test_a_password_with_any_letters_and_an_admin_with_a_dot_are_let_in(world: World, isolation: str):
    world.make_everything()
    world.env |= {"POWERVIEW_ISOLATION": isolation, "GRAFANA_USERNAME": "Jean.Dupont"}
    world.env["GRAFANA_PASSWORD"] = "né €10 {{ 7 }} à l'été: 100%"
    body = {"login": "jean.dupont", "name": "Jean", "password": world.env["GRAFANA_PASSWORD"], "OrgId": 1}
    number = world.grafana.call("POST", "/api/admin/users", body)["id"]
    world.grafana.call("PUT", f"/api/admin/users/{number}/permissions", {"isGrafanaAdmin": True})
    world.grafana.call("PATCH", f"/api/orgs/1/users/{number}", {"role": "Admin"})
    world.campaigns("acme/roof")

    run = world.run_ansible()

    assert (run.status, run.logged[1:]) == (0, ["powerview: created acme", "powerview: created acme/roof"])
    assert (world.run().changed, world.journal.writes) == (0, [])
    if isolation == "org":  # the admins may look at it
        login = GrafanaClient(world.grafana.url, "jean.dupont", "né €10 {{ 7 }} à l'été: 100%", world.org("acme"))
        login.session.auth = tuple(word.encode() for word in login.session.auth)
        assert sorted(hit["title"] for hit in login.get("/api/search")) == ["Overview", "acme", "roof"]


@QUICKLY
def test_a_password_that_compose_and_grafana_replace_is_named_when_it_is_refused(world: World):
    run = world.run(GRAFANA_PASSWORD="a${HOME}b")

    assert run.logged[0].endswith(
        "Or it is the $ in the password: compose and Grafana may replace it and what is behind it."
    )


# ── the Master and its file ──────────────────────────────────────────────────────────────────────────────────────────


def save_master(world: World, **changes) -> None:
    """An admin's save of the Master."""
    content = {**world.grafana.dashboard(MASTERS), "id": None, **changes}
    body = {"dashboard": content, "folderUid": "powerview-admin", "overwrite": True, "message": "by hand"}
    world.grafana.call("POST", "/api/dashboards/db", body)


@QUICKLY
def test_an_edited_master_stays_and_a_newer_file_is_mentioned(world: World):
    world.make_everything()
    save_master(world, title="Our Master")

    run = world.run()

    assert (run.status, run.changed, run.logged, world.journal.writes) == (
        0,
        0,
        [],
        [],
    )  # no line for a log
    assert master.NEWER in run.output
    assert world.grafana.dashboard(MASTERS)["title"] == "Our Master"


@QUICKLY
def test_the_masters_file_is_taken_on_purpose_and_brought_to_the_campaigns(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    version = world.grafana.dashboard(MASTERS)["version"]

    ahead = world.run("--check", playbook="update_dashboards", POWERVIEW_MASTER="file")
    assert world.journal.writes == []
    run = world.run(playbook="update_dashboards", POWERVIEW_MASTER="file")
    writes = world.journal.writes
    again = world.run(playbook="update_dashboards", POWERVIEW_MASTER="file")

    taken = "admin/Master: taken from dashboards/master.json"
    assert ahead.logged[0] == f"powerview: would repair {taken}"
    assert run.logged[0] == f"powerview: repaired {taken}"
    assert ahead.logged[1].startswith("powerview: would update acme/roof: ")
    assert run.logged[1].startswith("powerview: updated acme/roof: ")
    assert writes == [SAVED, SAVED]
    assert (again.changed, world.journal.writes) == (0, [])
    now = world.grafana.dashboard(MASTERS)
    wanted = master.from_file(load_settings(world.env, Path("/nonexistent")))
    assert (now["version"], now["panels"]) == (version + 1, wanted["panels"])
    clone = world.grafana.dashboard(uid_of("b", "acme/roof"))
    assert "powerview_file" not in [v["name"] for v in clone["templating"]["list"]]
    assert master.NEWER not in world.run().output


@QUICKLY
def test_the_file_is_taken_by_no_other_word(world: World):
    run = world.run(playbook="update_dashboards", POWERVIEW_MASTER="yes")

    assert (run.status, run.logged) == (2, ["powerview: POWERVIEW_MASTER is 'yes': it must be 'file', or not be set."])
    assert world.journal.writes == []


@QUICKLY_ON_CONTRACT
def test_the_file_takes_the_place_of_a_master_in_the_new_schema(world: World):
    world.make_everything()
    world.contract.save_as_v2(MASTERS)

    run = world.run(playbook="update_dashboards", POWERVIEW_MASTER="file")

    assert (run.status, run.logged) == (0, ["powerview: repaired admin/Master: taken from dashboards/master.json"])
    assert world.run().status == 0


@QUICKLY
def test_a_master_that_somebody_saves_while_the_file_is_taken_is_left(world: World):
    world.make_everything()

    def somebody_saves(number, _what):
        if number == 1:
            save_master(world, title="Mine")

    world.journal.before = somebody_saves
    run = world.run(playbook="update_dashboards", POWERVIEW_MASTER="file")

    assert run.status == 2
    assert 'refused the task "Take the Master\'s file" (4' in run.logged[0]
    assert world.grafana.dashboard(MASTERS)["title"] == "Mine"


# ── the time zone ────────────────────────────────────────────────────────────────────────────────────────────────────


@QUICKLY
def test_master_and_loggers_follow_the_time_zone_and_what_to_run_for_the_clones_is_said(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    paris = [{**v, "query": "Europe/Paris"} if v["name"] == "timezone" else v for v in MASTER["templating"]["list"]]
    save_master(world, templating={"list": paris})
    loggers = {"uid": "powerview-loggers", "title": "Loggers", "panels": [], "templating": {"list": paris[1:2]}}
    body = {"dashboard": loggers, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)
    world.env["POWERVIEW_TIMEZONE"] = "America/Toronto"

    ahead = world.run("--check")
    assert world.journal.writes == []
    run = world.run()
    writes = world.journal.writes
    again = world.run()

    note = (
        "powerview: the time zone is America/Toronto now, for campaigns from now on: update_dashboards.yml brings it "
        "to those that are there."
    )
    steps = [
        "admin: time zone of Loggers", "admin/Master: time zone of Master", "acme: overview's time zone",
    ]  # fmt: skip
    assert ahead.logged == [*(f"powerview: would repair {step}" for step in steps), note]
    assert run.logged == [*(f"powerview: repaired {step}" for step in steps), note]
    assert writes == [SAVED, SAVED, SAVED]
    assert (again.logged, world.journal.writes) == ([], [])
    for uid in (MASTERS, "powerview-loggers", uid_of("o", "acme")):
        shown = world.grafana.dashboard(uid)
        assert (shown["timezone"], master.constants(shown)["timezone"]) == ("America/Toronto", "America/Toronto")
    assert world.run(playbook="update_dashboards").logged == ["powerview: updated acme/roof: templating, timezone"]


# ── the language ─────────────────────────────────────────────────────────────────────────────────────────────────────


@QUICKLY
def test_master_and_loggers_follow_the_language_both_ways_and_what_a_person_wrote_stays(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    save_master(world, description="Only ours")
    loggers = {"uid": "powerview-loggers", "title": "Loggers", "panels": [], "templating": {"list": []}}
    body = {"dashboard": loggers, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)
    english = {uid: world.grafana.dashboard(uid) for uid in (MASTERS, "powerview-loggers")}

    languages = {"fr": ("French", "Puissance", "Enregistreurs"), "en": ("English", "Power", "Loggers")}
    for language, (name, power, title) in languages.items():
        world.env["POWERVIEW_LANGUAGE"] = language
        ahead = world.run("--check")
        assert world.journal.writes == []
        run = world.run()
        writes = world.journal.writes
        again = world.run()

        note = (
            f"powerview: the language is {name} now, for campaigns from now on: update_dashboards.yml brings it to "
            f"those that are there."
        )
        steps = ["admin: language of Loggers", "admin/Master: language of Master", "acme: overview's language"]
        assert ahead.logged == [*(f"powerview: would repair {step}" for step in steps), note]
        assert run.logged == [*(f"powerview: repaired {step}" for step in steps), note]
        assert writes == [SAVED, SAVED, SAVED]
        assert (again.logged, world.journal.writes) == ([], [])
        shown = world.grafana.dashboard(MASTERS)
        assert (shown["panels"][0]["title"], shown["description"]) == (power, "Only ours")
        assert world.grafana.dashboard("powerview-loggers")["title"] == title
        assert world.run(playbook="update_dashboards").changed == 1
        clone = world.grafana.dashboard(uid_of("b", "acme/roof"))
        assert (clone["title"], clone["panels"][0]["title"]) == ("roof", power)
        assert "powerview_language" not in [v["name"] for v in clone["templating"]["list"]]
    for uid, before in english.items():
        now = world.grafana.dashboard(uid)
        assert {k: v for k, v in now.items() if k != "version"} == {k: v for k, v in before.items() if k != "version"}


@QUICKLY
def test_the_first_run_brings_everything_in_french(world: World):
    world.env["POWERVIEW_LANGUAGE"] = "fr"
    world.campaigns("acme/roof")
    world.grafana.call("DELETE", f"/api/dashboards/uid/{MASTERS}")

    run = world.run()

    assert run.status == 0, run.output
    for uid in (MASTERS, uid_of("b", "acme/roof")):
        titles = [panel["title"] for panel in world.grafana.dashboard(uid)["panels"]]
        assert "Puissance totale" in titles
        assert "Total power" not in titles
    assert world.grafana.dashboard(uid_of("o", "acme"))["title"] == "Vue d'ensemble"
    assert (world.run().changed, world.run(playbook="update_dashboards").logged) == (0, [])
    assert world.run(playbook="update_dashboards", POWERVIEW_MASTER="file").logged == []


@QUICKLY
def test_french_that_a_person_wrote_is_left_where_the_language_is_english(world: World):
    world.make_everything()
    panel = {**MASTER["panels"][0], "title": "Puissance"}
    save_master(world, panels=[panel])

    assert (world.run().changed, world.journal.writes) == (0, [])
    assert world.grafana.dashboard(MASTERS)["panels"][0]["title"] == "Puissance"


@QUICKLY
def test_an_unknown_language_stops_the_playbook_before_anything_is_written(world: World):
    world.campaigns("acme/roof")

    run = world.run(POWERVIEW_LANGUAGE="de")

    assert run.status == 2
    assert run.logged[0].startswith("powerview: POWERVIEW_LANGUAGE must be en or fr, not 'de'")
    assert world.journal.writes == []


# ── alerting of earlier versions ─────────────────────────────────────────────────────────────────────────────────────


@QUICKLY_ON_CONTRACT  # a real Grafana would have to be started with files of before
def test_what_earlier_versions_had_provisioned_under_alerting_is_removed(world: World):
    world.make_everything()
    world.contract.provision_alerting()
    org = world.contract.orgs[1]

    ahead = world.run("--check")
    assert world.journal.writes == []
    run = world.run()
    again = world.run()

    steps = (
        "alert rules of an earlier version removed, contact point powerview-admin-email removed, "
        "contact point powerview-admin-webhook removed"
    )
    assert ahead.logged == [f"powerview: would repair admin: {steps}"]
    assert run.logged == [f"powerview: repaired admin: {steps}"]
    assert (org.rules, list(org.contact_points)) == ({}, ["somebody's"])
    assert "alerts" not in org.folders
    assert (again.changed, world.journal.writes) == (0, [])
    assert world.state() == {**expected(world, {}), **expected_in_influx(world, [])}


@QUICKLY_ON_CONTRACT
def test_rules_that_somebody_put_beside_ours_stay_and_he_is_asked(world: World):
    world.make_everything()
    world.contract.provision_alerting()
    org = world.contract.orgs[1]
    org.rules["mine"] = {"uid": "mine", "folderUID": "alerts", "provenance": "api"}
    org.folders["alerts"]["alert rules"] += 1

    run = world.run()

    assert run.status == 2
    assert "needs 'file'" in run.logged[-1]
    assert "mine" in org.rules
