"""The other playbooks: bringing the Master's changes over, deleting, putting people into teams."""

from __future__ import annotations

import json

from grafana_automation import tree
from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World, expected, expected_in_influx

pytest_plugins = ("provisioning_fixture",)

ACME, GLOBEX = (tree.describe(client, ["roof", "hall", "barn"]) for client in ("acme", "globex"))
ROOF, HALL, BARN = (c["uid"] for c in ACME["campaigns"])
GLOBEX_ROOF, GLOBEX_HALL, GLOBEX_BARN = (c["uid"] for c in GLOBEX["campaigns"])
GLOBEX_OVERVIEW = GLOBEX["overview"]["uid"]
FOLDER, SOURCE = ACME["folder_uid"], ACME["data_source_uid"]
SAVED = "grafana POST /api/dashboards/db → 200"


# ── update_dashboards.yml ────────────────────────────────────────────────────────────────────────────────────────────


@QUICKLY
def test_the_masters_changes_come_over_when_asked_for(world: World):
    world.campaigns("acme/roof", "acme/hall", "globex/roof")
    world.make_everything()
    edit(world, ROOF, FOLDER, title="Roof, south side", tags=["mine"], time={"from": "now-1y", "to": "now"})
    edit(world, HALL, FOLDER, tags=[])
    edit(world, "powerview-master", "powerview-admin", panel="Power of all channels")
    rows = world.state()["dashboards"]

    ahead = world.run("--check", playbook="update_dashboards")
    assert (ahead.status, world.journal.writes) == (0, [])
    done = world.run(playbook="update_dashboards", POWERVIEW_CLIENT="acme")
    writes = world.journal.writes
    again = world.run(playbook="update_dashboards", POWERVIEW_CLIENT="acme")

    assert ahead.logged == [
        "powerview: would update acme/hall: panels",
        "powerview: would update acme/roof: panels, time",
        "powerview: would update globex/roof: panels",
    ]
    assert done.logged == ["powerview: updated acme/hall: panels", "powerview: updated acme/roof: panels, time"]
    if not world.contract:  # a real one's SQLite may be locked for a moment: then the same is sent once more
        writes = [write for write in writes if not write.endswith(" → 412")]
    assert (done.changed, writes) == (1, [SAVED, SAVED])
    assert (again.changed, again.logged, world.journal.writes) == (0, [], [])
    roof, master = world.grafana.dashboard(ROOF), world.grafana.dashboard("powerview-master")
    assert roof["panels"][0]["title"] == "Power of all channels"
    assert (roof["title"], roof["tags"], roof["time"]) == ("Roof, south side", ["mine"], master["time"])
    assert roof["panels"][0]["datasource"] == {"type": "influxdb", "uid": SOURCE}
    assert world.state()["dashboards"] == rows  # permissions, folders, titles and tags are as they were
    assert messages(world, ROOF)[0] == f"From Master, version {master['version']}"
    assert len(messages(world, ROOF)) == 3  # what was there before can be brought back


@QUICKLY
def test_a_panel_that_somebody_added_is_named_when_it_is_removed(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    (panel,) = world.grafana.dashboard(ROOF)["panels"]
    mine = [{**panel, "id": number, "title": title} for number, title in ((2, "My own"), (3, "Another"))]
    edit(world, ROOF, FOLDER, panels=[panel, *mine])

    ahead = world.run("--check", playbook="update_dashboards")
    run = world.run(playbook="update_dashboards")

    assert ahead.logged == ["powerview: would update acme/roof: panels (without My own, Another)"]
    assert run.logged == ["powerview: updated acme/roof: panels (without My own, Another)"]
    assert world.grafana.dashboard(ROOF)["panels"] == [panel]


@QUICKLY
def test_a_campaign_without_a_dashboard_is_no_ones_update(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.campaigns("acme/hall", "globex/roof")

    run = world.run(playbook="update_dashboards")

    assert (run.status, run.changed, run.logged, world.journal.writes) == (0, 0, [], [])


@QUICKLY
def test_what_a_person_saves_during_an_update_is_left(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    edit(world, "powerview-master", "powerview-admin", panel="Power of all channels")

    def save(number, _what):
        if number == 1:  # acme's update is under way
            edit(world, GLOBEX_ROOF, GLOBEX["folder_uid"], title="Main roof", panel="Mine")

    world.journal.before = save
    run = world.run(playbook="update_dashboards")
    world.journal.before = None

    assert (run.status, run.changed) == (0, 1)
    assert run.logged == [
        "powerview: updated acme/roof: panels",
        "powerview: globex/roof was changed meanwhile and is left: run again",
    ]
    left = world.grafana.dashboard(GLOBEX_ROOF)
    assert (left["title"], left["panels"][0]["title"]) == ("Main roof", "Mine")

    again = world.run(playbook="update_dashboards")
    assert again.logged == ["powerview: updated globex/roof: panels"]
    assert world.grafana.dashboard(GLOBEX_ROOF)["title"] == "Main roof"
    assert (world.run(playbook="update_dashboards").changed, world.journal.writes) == (0, [])


@QUICKLY_ON_CONTRACT
def test_an_update_refused_as_too_late_without_reason_is_sent_again(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    edit(world, "powerview-master", "powerview-admin", panel="Power of all channels")
    world.journal.before = lambda number, _what: 412 if number == 1 else None
    run = world.run(playbook="update_dashboards")
    assert (run.status, run.changed, run.logged) == (0, 1, ["powerview: updated acme/roof: panels"])


@QUICKLY_ON_CONTRACT
def test_an_update_refused_because_of_a_title_is_reported_with_the_reason(world: World):
    """Grafana 11 keeps titles unique in a folder, and says so with the status of a version that is too old."""
    world.campaigns("acme/roof")
    world.make_everything()
    edit(world, "powerview-master", "powerview-admin", panel="Power of all channels")
    reason = "A dashboard with the same name in the folder already exists"
    answer = json.dumps({"message": reason, "status": "name-exists"}).encode()
    refuse = world.to_grafana._refuse
    world.to_grafana._refuse = lambda *call: (*refuse(*call)[:2], answer)
    world.journal.before = lambda *_: 412
    run = world.run(playbook="update_dashboards")

    assert (run.status, len(world.journal.writes)) == (2, 1)
    assert run.logged[0].startswith("powerview: not finished: acme/roof: Grafana at ")
    assert f'refused the task "Update the dashboard" (412): {reason}.' in run.logged[0]


@QUICKLY
def test_an_update_that_fails_is_reported_at_the_end_and_the_others_have_their_turn(world: World):
    world.campaigns("acme/roof", "acme/hall", "globex/roof")
    world.make_everything()
    edit(world, "powerview-master", "powerview-admin", panel="Power of all channels")

    world.journal.before = lambda number, _what: 500 if number in (1, 3) else None
    run = world.run(playbook="update_dashboards")
    world.journal.before = None

    reason = (
        f'Grafana at {world.env["GRAFANA_URL"]} (GRAFANA_URL) answered the task "Update the dashboard" with 500 '
        f"(a fault of the test): look at its log."
    )
    assert (run.status, run.changed) == (2, 1)
    assert run.logged == [
        "powerview: updated acme/roof: panels",
        f"powerview: not finished: acme/hall: {reason}; globex/roof: {reason}",
    ]
    again = world.run(playbook="update_dashboards")
    assert again.logged == ["powerview: updated acme/hall: panels", "powerview: updated globex/roof: panels"]


@QUICKLY
def test_a_grafana_that_dies_ends_the_update_at_once(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    edit(world, "powerview-master", "powerview-admin", panel="Power of all channels")

    world.journal.before = lambda _number, _what: world.to_grafana.go_away()
    run = world.run(playbook="update_dashboards")

    assert run.status == 2
    assert run.logged == [
        f"powerview: not finished: acme/roof: Grafana does not answer at {world.env['GRAFANA_URL']} (GRAFANA_URL): "
        f"Remote end closed connection without response. Is it running?"
    ]


# ── delete_grafana_resources.yml ─────────────────────────────────────────────────────────────────────────────────────


def delete(world: World, *options: str, **variables: str):
    """Run the playbook for the client acme."""
    variables = {f"POWERVIEW_{name}": value for name, value in variables.items()}
    return world.run(*options, playbook="delete_grafana_resources", POWERVIEW_CLIENT="acme", **variables)


@QUICKLY
def test_one_campaign_is_deleted_and_what_is_left_is_reported(world: World):
    world.campaigns("acme/roof", "acme/hall")
    world.make_everything()

    run = delete(world, CAMPAIGN="roof", CONFIRM="acme/roof")

    assert run.logged == [
        "powerview: deleted acme/roof: dashboard",
        "powerview: left acme/roof: its readings, measurement roof in bucket acme",
        f"powerview: left acme/roof: its files in {world.data}/acme/roof: while they lie there, the next run makes "
        f"everything again",
    ]
    assert world.journal.writes == [f"grafana DELETE /api/dashboards/uid/{ROOF} → 200"]
    assert world.state() == {**expected(world, {"acme": ["hall"]}), **expected_in_influx(world, ["acme"])}


@QUICKLY
def test_a_client_is_deleted_with_its_token_and_the_readings_stay(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    world.add_person("ann", "acme")
    (world.data / "acme" / "roof").rmdir()
    (world.data / "acme").rmdir()

    ahead = delete(world, "--check", CONFIRM="acme")
    assert (ahead.changed, world.journal.writes) == (1, [])
    run = delete(world, CONFIRM="acme")
    after = world.state()
    again = delete(world, CONFIRM="acme")

    things = "dashboard, overview, folder, token, data source, team"
    left = [
        "powerview: left acme: the logins of its team: ann",
        "powerview: left acme: bucket acme with its readings (POWERVIEW_DELETE_BUCKET=acme deletes it)",
    ]
    assert ahead.logged == [f"powerview: would delete acme: {things}", *left]
    assert run.logged == [f"powerview: deleted acme: {things}", *left]
    right = {**expected(world, {"globex": ["roof"]}), **expected_in_influx(world, ["globex"])}
    assert after == {**right, "buckets": ["acme", "globex", "powerview"]}
    assert (again.changed, again.logged) == (0, left[1:])


@QUICKLY
def test_the_readings_go_only_when_the_bucket_is_named_and_other_peoples_work_stays(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    mine = {"uid": "by-hand", "title": "My own", "panels": [], "schemaVersion": 39}
    body = {"dashboard": mine, "folderUid": FOLDER, "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)

    run = delete(world, CONFIRM="acme", DELETE_BUCKET="acme")

    assert run.logged == [
        "powerview: deleted acme: dashboard, overview, token, data source, bucket with all readings, team",
        "powerview: left acme: its folder, with what PowerView did not make for it: My own",
        f"powerview: left acme: its files in {world.data}/acme: while they lie there, the next run makes everything "
        f"again",
    ]
    assert world.in_influx() == expected_in_influx(world, [])
    assert world.state()["dashboards"].keys() == {"powerview-master", "by-hand"}


@QUICKLY
def test_a_token_made_under_an_older_address_of_grafana_goes_with_its_data_source(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    before = world.env["GRAFANA_URL"]
    world.env["GRAFANA_URL"] = before.replace("127.0.0.1", "localhost")
    assert (world.to_do(), world.env["GRAFANA_URL"] == before) == ([], False)
    left_over = make_token(world, "powerview: grafana reads acme (http://elsewhere)", "acme")
    by_hand = make_token(world, "my own", "acme")
    others = {i for i, t in world.tokens().items() if "reads acme (http://127" not in t["description"]}

    ahead = delete(world, "--check", CONFIRM="acme")
    assert world.journal.writes == []
    run = delete(world, CONFIRM="acme")

    things = "dashboard, overview, folder, token, data source, team"
    left = [
        f"powerview: left acme: a token made for another address of Grafana: powerview: grafana reads acme "
        f"(http://elsewhere) ({left_over})",
        "powerview: left acme: bucket acme with its readings (POWERVIEW_DELETE_BUCKET=acme deletes it)",
        f"powerview: left acme: its files in {world.data}/acme: while they lie there, the next run makes everything "
        f"again",
    ]
    assert ahead.logged == [f"powerview: would delete acme: {things}", *left]
    assert run.logged == [f"powerview: deleted acme: {things}", *left]
    assert world.tokens().keys() == others
    assert {left_over, by_hand} <= others


@QUICKLY
def test_a_token_that_may_do_more_than_ours_is_reported_and_stays(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    wide = make_token(world, "everything", "")
    source = world.grafana.get(f"/api/datasources/uid/{SOURCE}")
    changed = {**source, "jsonData": {**source["jsonData"], "powerviewAuthorization": wide}}
    world.grafana.call("PUT", f"/api/datasources/uid/{SOURCE}", {k: v for k, v in changed.items() if k != "id"})

    run = delete(world, CONFIRM="acme")

    assert run.logged[:2] == [
        "powerview: deleted acme: dashboard, overview, folder, token, data source, team",
        f"powerview: left acme: the token of its data source, which reads more or elsewhere: everything ({wide})",
    ]
    assert wide in world.tokens()


@QUICKLY
def test_dashboards_are_found_wherever_people_moved_them_and_however_they_call_them(world: World):
    world.campaigns("acme/roof", "acme/hall", "acme/barn", "globex/roof", "globex/hall", "globex/barn")
    world.make_everything()
    to_root(world, ROOF)
    edit(world, HALL, GLOBEX["folder_uid"], title="Mine", tags=["mine"])
    edit(world, BARN, "powerview-admin", title="Our barn")
    edit(world, GLOBEX_ROOF, FOLDER)  # another client's is logged and stays, whatever it is called and tagged
    edit(world, GLOBEX_HALL, GLOBEX["folder_uid"], title="Hall, for acme", tags=["powerview", "acme"])
    edit(world, GLOBEX_BARN, GLOBEX["folder_uid"], tags=["powerview", "globex", "acme"])
    for campaign in ("roof", "hall"):
        (world.data / "acme" / campaign).rmdir()

    ahead = delete(world, "--check", CONFIRM="acme")
    assert world.journal.writes == []
    run = delete(world, CONFIRM="acme")

    things = "dashboard, dashboard, dashboard, overview, token, data source, team"
    left = "powerview: left acme: its folder, with what PowerView did not make for it: roof"
    assert (ahead.logged[0], ahead.logged[1:]) == (f"powerview: would delete acme: {things}", run.logged[1:])
    assert run.logged[:2] == [f"powerview: deleted acme: {things}", left]
    assert len(run.logged) == 4  # and bucket and files
    assert world.state()["dashboards"].keys() == {
        "powerview-master",
        GLOBEX_ROOF,
        GLOBEX_HALL,
        GLOBEX_BARN,
        GLOBEX_OVERVIEW,
    }


@QUICKLY
def test_a_dashboard_that_may_be_the_clients_is_reported(world: World):
    world.campaigns("acme/roof", "acme/hall", "globex/roof")
    world.make_everything()
    nameless = {"templating": {"list": []}}
    edit(world, ROOF, "powerview-admin", title="Nobody's", tags=[], **nameless)
    edit(world, HALL, FOLDER, title="Mine", **nameless)  # in its place, with its tag: enough
    edit(world, GLOBEX_ROOF, GLOBEX["folder_uid"], title="Somebody's", **nameless)
    for campaign in ("roof", "hall"):
        (world.data / "acme" / campaign).rmdir()

    run = delete(world, CONFIRM="acme")

    assert run.logged[:2] == [
        "powerview: deleted acme: dashboard, overview, folder, token, data source, team",
        f"powerview: left acme: dashboard Nobody's (uid {ROOF}), which may be its own: delete it in Grafana if it is",
    ]
    assert len(run.logged) == 4  # and bucket and files
    assert world.state()["dashboards"].keys() == {"powerview-master", ROOF, GLOBEX_ROOF, GLOBEX_OVERVIEW}


@QUICKLY
def test_a_campaign_that_was_moved_and_renamed_is_deleted_and_the_clients_token_stays(world: World):
    world.campaigns("acme/roof", "acme/hall")
    world.make_everything()
    edit(world, ROOF, FOLDER, title="Mine", tags=[])
    to_root(world, ROOF)
    (world.data / "acme" / "roof").rmdir()

    ahead = delete(world, "--check", CAMPAIGN="roof", CONFIRM="acme/roof")
    assert world.journal.writes == []
    run = delete(world, CAMPAIGN="roof", CONFIRM="acme/roof")

    left = ["powerview: left acme/roof: its readings, measurement roof in bucket acme"]
    assert ahead.logged == ["powerview: would delete acme/roof: dashboard", *left]
    assert run.logged == ["powerview: deleted acme/roof: dashboard", *left]
    assert world.state() == {**expected(world, {"acme": ["hall"]}), **expected_in_influx(world, ["acme"])}


@QUICKLY
def test_nothing_is_deleted_unless_it_is_said_twice(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    before = world.state()

    for variables, reason in [
        ({}, "POWERVIEW_CONFIRM is '': it must be 'acme', or nothing is deleted."),
        ({"CONFIRM": "acme/roof"}, "POWERVIEW_CONFIRM is 'acme/roof': it must be 'acme', or nothing is deleted."),
        (
            {"CAMPAIGN": "roof", "CONFIRM": "acme"},
            "POWERVIEW_CONFIRM is 'acme': it must be 'acme/roof', or nothing is deleted.",
        ),
        (
            {"CONFIRM": "acme", "DELETE_BUCKET": "Acme"},
            "POWERVIEW_DELETE_BUCKET is 'Acme': it must be the bucket's name, 'acme'.",
        ),
        (
            {"CAMPAIGN": "roof", "CONFIRM": "acme/roof", "DELETE_BUCKET": "acme"},
            "POWERVIEW_DELETE_BUCKET is set, but the bucket holds all of the client's campaigns: unset it, or unset "
            "POWERVIEW_CAMPAIGN to delete the whole client.",
        ),
    ]:
        run = delete(world, **variables)
        assert (run.status, run.logged, world.journal.calls) == (2, [f"powerview: {reason}"], [])
    admin = world.run(playbook="delete_grafana_resources", POWERVIEW_CLIENT="powerview", POWERVIEW_CONFIRM="powerview")
    assert admin.logged == [
        "powerview: a client cannot be called powerview: that name is reserved for the admins. Rename the folder."
    ]
    assert world.state() == before


# ── add_grafana_user_to_team.yml ─────────────────────────────────────────────────────────────────────────────────────


def add(world: World, *options: str, **variables: str):
    """Run the playbook for the client acme."""
    variables = {f"POWERVIEW_{name}": value for name, value in variables.items()}
    return world.run(*options, playbook="add_grafana_user_to_team", POWERVIEW_CLIENT="acme", **variables)


@QUICKLY
def test_a_new_person_gets_a_login_and_sees_the_clients_dashboards(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()

    ahead = add(world, "--check", USER="ann@acme.example", USER_PASSWORD="of-one-person")
    assert (ahead.logged, world.journal.writes) == (
        ["powerview: would put ann@acme.example into acme, with a new login"],
        [],
    )
    run = add(world, USER="ann@acme.example", USER_PASSWORD="of-one-person")
    again = add(world, USER="ann@acme.example")

    assert (run.changed, run.logged) == (1, ["powerview: put ann@acme.example into acme, with a new login"])
    assert (again.changed, again.logged, world.journal.writes) == (0, [], [])
    ann = world.person("ann@acme.example")
    assert ann.get("/api/user/orgs") == [{"orgId": 1, "name": "Main Org.", "role": "Viewer"}]
    assert sorted(hit["title"] for hit in ann.get("/api/search")) == ["Overview", "acme", "roof"]


@QUICKLY
def test_a_person_with_a_login_keeps_it_and_its_password(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    bob = world.add_person("bob", "globex")
    world.grafana.call("PATCH", f"/api/orgs/1/users/{world.user_id('bob')}", {"role": "Editor"})

    run = add(world, USER="bob", USER_PASSWORD="something else")

    assert run.logged == [
        "powerview: put bob into acme",
        "powerview: note: bob has a login already: POWERVIEW_USER_PASSWORD was not used",
        "powerview: note: bob is Editor and stays so: that is more than a client needs",
        "powerview: note: bob is in the team of globex too, and sees what that may see",
    ]
    assert run.changed == 1
    assert sorted(hit["title"] for hit in bob.get("/api/search")) == [
        "Overview",
        "Overview",
        "acme",
        "globex",
        "roof",
        "roof",
    ]


@QUICKLY
def test_what_is_missing_for_a_person_is_reported(world: World):
    world.campaigns("acme/roof")
    no_team = add(world, USER="ann", USER_PASSWORD="of-one-person")
    world.make_everything()

    assert no_team.logged == ["powerview: acme has no team in Grafana yet: run create_grafana_resources.yml first."]
    assert add(world).logged == ["powerview: POWERVIEW_USER is not set: it is the person's login or e-mail."]
    for user in (" ann", "ann\nbob", "a" * 191):
        assert add(world, USER=user).logged == [
            f"powerview: POWERVIEW_USER is {user!r}, which can be no login: no blanks around it, 190 characters."
        ]
    assert add(world, USER="ann").logged == [
        "powerview: there is no login 'ann' yet: set POWERVIEW_USER_PASSWORD, and it is made."
    ]
    short = add(world, USER="ann", USER_PASSWORD="abc")
    assert short.logged == [
        f'powerview: Grafana at {world.env["GRAFANA_URL"]} (GRAFANA_URL) refused the task "Create the login" (400): '
        f"Password is missing or too short."
    ]


def edit(world: World, uid: str, folder: str, panel: str = "", **changes) -> None:
    """A person's save of a dashboard, with another title of its panel or other changes."""
    content = {**world.grafana.dashboard(uid), "id": None, **changes}
    if panel:
        content["panels"] = [{**content["panels"][0], "title": panel}]
    body = {"dashboard": content, "folderUid": folder, "overwrite": True, "message": "by hand"}
    world.grafana.call("POST", "/api/dashboards/db", body)


def to_root(world: World, uid: str) -> None:
    """Move a dashboard out of all folders. The contract server holds such a call for a mistake of ours."""
    if world.contract:
        world.contract.orgs[1].dashboards[uid]["folder"] = ""
    else:
        edit(world, uid, "")


def messages(world: World, uid: str) -> list[str]:
    """What Grafana's history says of a dashboard's versions, the newest first."""
    answer = world.grafana.get(f"/api/dashboards/uid/{uid}/versions")
    listed = answer["versions"] if isinstance(answer, dict) else answer  # a bare list before 11.5
    return [version["message"] for version in listed]


def make_token(world: World, description: str, bucket: str) -> str:
    """A token that somebody makes by hand, which reads one bucket, or all of them; its id."""
    resource = {"type": "buckets", **({"id": world.bucket_id(bucket), "orgID": world.influx_org} if bucket else {})}
    permissions = [{"action": "read", "resource": resource}]
    body = {"orgID": world.influx_org, "description": description, "permissions": permissions}
    return world.influx_call("POST", "/api/v2/authorizations", json=body).json()["id"]
