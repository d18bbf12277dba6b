"""POWERVIEW_ISOLATION=org: each client in an organisation of its own, where no other client can reach its data."""

from __future__ import annotations

from grafana_automation import tree
from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World, expected, expected_in_influx

pytest_plugins = ("provisioning_fixture",)

ACME = tree.describe("acme", ["roof"])
NOTHING = {"teams": [], "folders": {}, "data sources": {}, "dashboards": {}}


@QUICKLY
def test_each_client_has_an_organisation_that_nobody_else_gets_into(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof", "globex/hall")

    ahead = world.run("--check")
    assert world.journal.writes == []
    run = world.run()
    again = world.run()

    made = ["create acme", "create acme/roof", "create globex", "create globex/hall"]
    assert ahead.logged == [f"powerview: would {line}" for line in made]
    assert run.logged == [f"powerview: {line.replace('create', 'created')}" for line in made]
    assert (run.status, again.status, again.changed, world.journal.writes) == (0, 0, 0, [])
    influx = expected_in_influx(world, ["acme", "globex"])
    assert world.state() == {**expected(world, {}), **influx}
    assert world.state(world.org("acme")) == {**expected(world, {"acme": ["roof"]}, master=False), **influx}
    assert world.state(world.org("globex")) == {**expected(world, {"globex": ["hall"]}, master=False), **influx}

    person = world.run(
        playbook="add_grafana_user_to_team", POWERVIEW_CLIENT="acme", POWERVIEW_USER="ann",
        POWERVIEW_USER_PASSWORD="of-one-person",
    )  # fmt: skip
    assert person.logged == ["powerview: put ann into acme, with a new login"]
    acme, globex = world.org("acme"), world.org("globex")
    assert world.grafana.get(f"/api/users/{world.user_id('ann')}/orgs") == [
        {"orgId": acme, "name": "acme", "role": "Viewer"}
    ]
    ann = world.person("ann", acme)
    assert sorted(hit["title"] for hit in ann.get("/api/search")) == ["Overview", "acme", "roof"]
    assert [source["name"] for source in ann.get("/api/datasources")] == ["acme"]
    for elsewhere in (1, globex):
        assert world.person("ann", elsewhere).call("GET", "/api/datasources", ok=(401, 403)) in (401, 403)


@QUICKLY
def test_a_person_who_is_a_member_elsewhere_too_is_reported(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    assert world.run().status == 0
    world.add_person("bob")  # joins the main organisation, as everybody who is made by hand

    run = world.run(playbook="add_grafana_user_to_team", POWERVIEW_CLIENT="acme", POWERVIEW_USER="bob")

    assert run.logged == [
        "powerview: put bob into acme",
        "powerview: note: bob is a member of other organisations too, and sees their data: Main Org.",
    ]
    assert run.changed == 1


def organisation_with_another_admin(world: World) -> int:
    """The number of acme's organisation, as a run makes it, with an Admin beside our login."""
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    assert world.run().status == 0
    acme = world.org("acme")
    world.grafana.call("PATCH", f"/api/orgs/{acme}/users/{add_admin(world, acme)}", {"role": "Admin"})
    return acme


@QUICKLY
def test_our_login_is_let_in_again(world: World):
    acme = organisation_with_another_admin(world)
    ourselves = world.user_id(world.own_login())

    for damage in (
        lambda: world.grafana.call("DELETE", f"/api/orgs/{acme}/users/{ourselves}"),
        lambda: world.grafana.call("PATCH", f"/api/orgs/{acme}/users/{ourselves}", {"role": "Viewer"}),
    ):
        damage()
        ahead = world.run("--check")
        assert (ahead.changed, ahead.logged) == (1, ["powerview: would repair acme: our login"])
        run = world.run()
        assert (run.status, run.logged) == (0, ["powerview: repaired acme: our login"])
        assert world.to_do() == []


@QUICKLY
def test_an_organisation_that_has_put_our_login_out_keeps_no_other_from_an_update(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof", "globex/roof")
    assert world.run().status == 0
    acme = world.org("acme")
    add_admin(world, acme)
    world.grafana.call("DELETE", f"/api/orgs/{acme}/users/{world.user_id(world.own_login())}")
    world.env["POWERVIEW_TIMEZONE"] = "America/Toronto"

    run = world.run(playbook="update_dashboards")

    assert (run.status, [line.split(":")[1] for line in run.logged]) == (
        0, [" updated globex/roof", " updated globex's overview"],
    )  # fmt: skip


@QUICKLY
def test_a_client_is_deleted_with_its_organisation(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    assert world.run().status == 0

    run = world.run(playbook="delete_grafana_resources", POWERVIEW_CLIENT="acme", POWERVIEW_CONFIRM="acme")

    assert (
        run.logged[0] == "powerview: deleted acme: dashboard, overview, folder, token, data source, team, organisation"
    )
    assert world.grafana.call("GET", "/api/orgs/name/acme", ok=(404,)) == 404
    assert world.in_influx() == {**expected_in_influx(world, []), "buckets": ["acme", "powerview"]}
    assert world.state() == {**expected(world, {}), **world.in_influx()}


@QUICKLY_ON_CONTRACT
def test_a_client_is_deleted_with_what_was_moved_and_a_token_of_an_older_address(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    assert world.run().status == 0
    dashboards = world.contract.orgs[world.org("acme")].dashboards
    roof = dashboards[tree.describe("acme", ["roof"])["campaigns"][0]["uid"]]
    roof["folder"], roof["json"]["title"], roof["json"]["tags"] = "", "Mine", []
    (world.data / "acme" / "roof").rmdir()
    world.env["GRAFANA_URL"] = world.env["GRAFANA_URL"].replace("127.0.0.1", "localhost")
    only_acme = {"playbook": "delete_grafana_resources", "POWERVIEW_CLIENT": "acme", "POWERVIEW_CONFIRM": "acme"}

    ahead = world.run("--check", **only_acme)
    assert world.journal.writes == []
    run = world.run(**only_acme)

    things = "dashboard, overview, folder, token, data source, team, organisation"
    assert (ahead.logged[0], ahead.logged[1:]) == (f"powerview: would delete acme: {things}", run.logged[1:])
    assert run.logged[0] == f"powerview: deleted acme: {things}"
    assert world.grafana.call("GET", "/api/orgs/name/acme", ok=(404,)) == 404
    assert [t["description"] for t in world.tokens().values() if "reads acme" in t["description"]] == []


@QUICKLY
def test_an_organisation_that_is_renamed_meanwhile_sends_nothing_into_another(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    before = world.state()

    def rename(_number, call):
        if call.method == "POST" and call.target == "/api/orgs":
            world.grafana.call("PUT", f"/api/orgs/{world.org('acme')}", {"name": "Acme Inc"})

    world.journal.after = rename
    run = world.run()
    world.journal.after = None

    assert (run.status, world.journal.writes) == (2, ["grafana POST /api/orgs → 200"])
    assert run.logged == ["powerview: not finished: acme: its organisation is not there any more: run again."]
    assert world.state() == before
    assert world.run().logged == ["powerview: created acme", "powerview: created acme/roof"]


@QUICKLY
def test_an_organisation_that_cannot_be_made_is_reported_and_all_others_go_on(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.campaigns("acme/roof", "globex/hall")
    refuse = [403]
    world.journal.before = lambda _number, what: refuse.pop() if "POST /api/orgs" in what and refuse else None

    run = world.run()
    world.journal.before = None

    assert run.status == 2
    assert run.logged[:-1] == [
        "powerview: repaired admin: permissions, bucket, token, data source",
        "powerview: created globex",
        "powerview: created globex/hall",
    ]
    start = f"powerview: not finished: acme: Grafana at {world.env['GRAFANA_URL']} forbids the task"
    assert run.logged[-1].startswith(f'{start} "Create the organisation"'), run.logged
    assert "its organisation is not there" not in run.logged[-1]
    again = world.run()
    assert (again.status, again.logged) == (0, ["powerview: created acme", "powerview: created acme/roof"])


@QUICKLY
def test_a_login_that_is_not_let_in_again_is_reported_and_all_others_go_on(world: World):
    acme = organisation_with_another_admin(world)
    world.grafana.call("DELETE", f"/api/orgs/{acme}/users/{world.user_id(world.own_login())}")
    world.campaigns("globex/hall")
    world.journal.before = lambda _number, what: 500 if what.endswith(f"/api/orgs/{acme}/users") else None

    run = world.run()
    world.journal.before = None

    url = world.env["GRAFANA_URL"]
    assert (run.status, run.logged) == (
        2,
        [
            "powerview: created globex",
            "powerview: created globex/hall",
            f'powerview: not finished: acme: Grafana at {url} (GRAFANA_URL) answered the task "Join the organisation" '
            f"with 500 (a fault of the test): look at its log.",
        ],
    )


@QUICKLY
def test_a_grafana_that_dies_while_an_organisation_is_made_ends_the_run_at_once(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.campaigns("acme/roof", "globex/hall")
    attempts = world.let_grafana_die()
    run = world.run()

    assert (run.status, len(attempts)) == (2, 1)
    assert run.logged == [
        f"powerview: not finished: acme: Grafana does not answer at {world.env['GRAFANA_URL']} (GRAFANA_URL): "
        f"Remote end closed connection without response. Is it running?"
    ]


@QUICKLY
def test_a_grafana_that_dies_while_our_login_is_made_ends_the_run_at_once(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.campaigns("acme/roof")
    attempts = world.let_grafana_die()
    if world.grafana.call("GET", f"/api/users/lookup?loginOrEmail={world.own_login()}", ok=(200, 404)) == 200:
        world.grafana.call("DELETE", f"/api/admin/users/{world.user_id(world.own_login())}")
    run = world.run()

    assert (run.status, len(attempts)) == (2, 1)
    assert run.logged == [
        f"powerview: not finished: admin: Grafana does not answer at {world.env['GRAFANA_URL']} (GRAFANA_URL): "
        f"Remote end closed connection without response. Is it running?"
    ]


@QUICKLY
def test_a_main_organisation_called_like_a_client_is_reported(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof")
    world.grafana.call("PUT", "/api/orgs/1", {"name": "acme"})

    run = world.run()

    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        "powerview: Grafana's main organisation is called acme like a client, who would be let in where the admins' "
        "data are: rename it (Administration, Organizations)."
    ]


@QUICKLY
def test_an_organisation_with_somebody_elses_data_source_team_or_folder_stays(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()  # the admins' things, in the main organisation
    world.campaigns("acme/roof", "globex/roof", "initech/roof")
    assert world.run().status == 0
    theirs = {"name": "theirs", "uid": "theirs", "type": "influxdb", "access": "proxy", "url": "http://elsewhere"}
    world.admin(world.org("acme")).call("POST", "/api/datasources", theirs)
    world.admin(world.org("globex")).call("POST", "/api/teams", {"name": "theirs"})
    world.admin(world.org("initech")).call("POST", "/api/folders", {"uid": "theirs", "title": "theirs"})

    for client in ("acme", "globex", "initech"):
        variables = {"POWERVIEW_CLIENT": client, "POWERVIEW_CONFIRM": client}
        run = world.run(playbook="delete_grafana_resources", **variables)

        assert run.logged[:2] == [
            f"powerview: deleted {client}: dashboard, overview, folder, token, data source, team",
            f"powerview: left {client}: its organisation, with what PowerView did not make in it",
        ]
        assert world.org(client)
    assert [s["name"] for s in world.admin(world.org("acme")).get("/api/datasources")] == ["theirs"]


def add_admin(world: World, org: int) -> int:
    """Somebody else in the organisation: Grafana keeps its last admin in it."""
    world.add_person("carol", org=org)
    return world.user_id("carol")
