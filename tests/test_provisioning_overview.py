"""A client's first page: which campaigns it lists, whose home page it is, and with which range dashboards open."""

from __future__ import annotations

import time

import pytest
from grafana_automation import tree
from powerview_grafana import overview, spans
from provisioning_by_hand import MASTER, overview_by_hand
from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World, expected

pytest_plugins = ("provisioning_fixture",)

ACME = tree.describe("acme", ["hall", "roof"])
UID, FOLDER = ACME["overview"]["uid"], ACME["folder_uid"]
HALL, ROOF = (c["uid"] for c in ACME["campaigns"])
SAVED = "grafana POST /api/dashboards/db → 200"
DEFAULT = MASTER["time"]
DAY = 86_400


def read(world: World, campaign: str, *ages: float, bucket: str = "acme") -> None:
    """Readings of a campaign, so many days ago."""
    tags = f"campaign={campaign},channel=A,channel_idx=1,channel_name=A,device=0100,unit=W"
    lines = "\n".join(f"{campaign},{tags} value=1 {int(time.time() - age * DAY)}" for age in ages)
    world.influx.write(bucket, lines, org=world.env["INFLUXDB_ORG"])


def listed(world: World) -> dict[str, spans.Span]:
    """The campaigns that acme's overview lists, with the spans that were set."""
    return {name: span for name, (_, span) in overview.listed(world.grafana.dashboard(UID)).items()}


def home(world: World, login: str, org: int = 1) -> str:
    """The uid of the dashboard that a person sees after logging in, empty for Grafana's own page."""
    person = world.person(login, org)
    if world.contract:
        return person.get("/api/user/preferences/home")["uid"]
    return person.get("/api/dashboards/home").get("redirectUri", "").removeprefix("/d/").partition("/")[0]


def own_home(world: World, uid: str | None = None) -> str | None:
    """The home page of acme's team; set to another one if that is named."""
    (team,) = world.grafana.get("/api/teams/search?name=acme")["teams"]
    if uid is not None:
        world.grafana.call("PUT", f"/api/teams/{team['id']}/preferences", {"homeDashboardUID": uid, "theme": "light"})
    return world.grafana.get(f"/api/teams/{team['id']}/preferences")


@QUICKLY
def test_the_overview_is_the_home_page_of_the_clients_people_and_of_nobody_else(world: World):
    world.campaigns("acme/roof", "acme/hall", "globex/roof")
    run = world.run()
    assert run.status == 0, run.output
    for client in ("acme", "globex"):
        world.add_person(f"{client}-person", client)
    world.add_person("outsider")

    assert home(world, "acme-person") == UID
    assert home(world, "globex-person") == tree.describe("globex", [])["overview"]["uid"]
    assert home(world, "outsider") == ""
    assert world.admin().get("/api/org/preferences").get("homeDashboardUID", "") == ""
    shown = world.grafana.dashboard(UID)
    kept = {k: v for k, v in shown.items() if k not in ("id", "version")}
    assert kept == overview_by_hand("acme", ["hall", "roof"])
    assert world.state()["dashboards"] == expected(world, {"acme": ["hall", "roof"], "globex": ["roof"]})["dashboards"]
    assert (world.run().changed, world.journal.writes) == (0, [])


@QUICKLY
def test_with_an_organisation_for_each_client_it_is_the_organisations(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.campaigns("acme/roof")
    assert world.run().status == 0
    world.add_person("ann", org=world.org("acme"))

    assert home(world, "ann", world.org("acme")) == UID
    assert world.admin(1).get("/api/org/preferences").get("homeDashboardUID", "") == ""
    assert (world.run().changed, world.journal.writes) == (0, [])


@QUICKLY
def test_another_home_page_is_somebodys_choice_and_other_preferences_stay(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    own_home(world, ROOF)
    assert (world.run().changed, world.journal.writes) == (0, [])

    own_home(world, "")
    run = world.run()

    assert run.logged == ["powerview: repaired acme: home page"]
    preferences = own_home(world)
    assert (preferences["homeDashboardUID"], preferences["theme"]) == (UID, "light")


@QUICKLY
def test_it_lists_new_campaigns_and_those_that_have_a_dashboard_and_no_folder_any_more(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.campaigns("acme/hall")

    run = world.run(POWERVIEW_CLIENT="acme", POWERVIEW_CAMPAIGN="hall")
    writes = world.journal.writes
    assert run.logged == ["powerview: created acme/hall"]
    assert writes == [SAVED, f"grafana POST /api/dashboards/uid/{HALL}/permissions → 200", SAVED]
    assert list(listed(world)) == ["hall", "roof"]

    (world.data / "acme" / "roof").rmdir()
    assert (world.run().changed, list(listed(world))) == (0, ["hall", "roof"])
    world.grafana.call("DELETE", f"/api/dashboards/uid/{ROOF}")
    assert world.run().logged == ["powerview: repaired acme: overview's campaigns"]
    assert list(listed(world)) == ["hall"]


@QUICKLY
def test_what_a_person_changed_in_it_stays(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    shown = world.grafana.dashboard(UID)
    mine = {**shown, "id": None, "title": "Welcome", "tags": ["mine"], "panels": shown["panels"][:1]}
    body = {"dashboard": mine, "folderUid": FOLDER, "overwrite": True, "message": "mine"}
    world.grafana.call("POST", "/api/dashboards/db", body)
    assert (world.run().changed, world.journal.writes) == (0, [])

    world.campaigns("acme/hall")
    assert world.run().status == 0

    now = world.grafana.dashboard(UID)
    assert (now["title"], now["tags"], len(now["panels"])) == ("Welcome", ["mine"], 1)
    assert list(listed(world)) == ["hall", "roof"]
    assert world.run(playbook="update_dashboards").logged == ["powerview: updated acme's overview: panels"]
    now = world.grafana.dashboard(UID)
    assert (now["title"], now["tags"], len(now["panels"])) == ("Welcome", ["mine"], 2)


@QUICKLY
def test_a_finished_campaign_opens_with_its_own_span_and_one_that_goes_on_with_the_masters(world: World):
    world.campaigns("acme/roof", "acme/hall")
    world.make_everything()
    read(world, "roof", 60, 7.1)
    read(world, "hall", 60, 6.9)

    ahead = world.run("--check")
    assert (ahead.logged, world.journal.writes) == (["powerview: would repair acme/roof: time range"], [])
    run = world.run()

    assert (run.logged, world.journal.writes) == (["powerview: repaired acme/roof: time range"], [SAVED, SAVED])
    roof, hall = world.grafana.dashboard(ROOF), world.grafana.dashboard(HALL)
    span = listed(world)["roof"]
    assert roof["time"] == span.time
    assert roof["time"]["from"].endswith("Z")
    assert (time.time() - span.begin) // DAY == 60
    assert span.end - span.begin == pytest.approx(52.9 * DAY + 600, abs=2)
    assert (hall["time"], listed(world)["hall"]) == (DEFAULT, spans.OPEN)
    assert (world.run().changed, world.journal.writes) == (0, [])
    assert (world.run(playbook="update_dashboards").logged, world.journal.writes) == ([], [])

    read(world, "roof", 1)
    assert world.run().logged == ["powerview: repaired acme/roof: time range"]
    assert world.grafana.dashboard(ROOF)["time"] == DEFAULT
    assert (world.run().changed, world.journal.writes) == (0, [])


@QUICKLY
def test_a_late_file_of_a_finished_campaign_makes_its_span_longer(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    read(world, "roof", 60, 30)
    world.run()
    read(world, "roof", 90)
    assert world.run().logged == ["powerview: repaired acme/roof: time range"]
    assert (time.time() - listed(world)["roof"].begin) // DAY == 90
    assert world.grafana.dashboard(ROOF)["time"] == listed(world)["roof"].time


@QUICKLY
def test_a_range_that_a_person_has_set_stays_until_an_update(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    mine = {"from": "now-1y", "to": "now"}
    body = {
        "dashboard": {**world.grafana.dashboard(ROOF), "id": None, "time": mine},
        "folderUid": FOLDER, "overwrite": True, "message": "mine",
    }  # fmt: skip
    world.grafana.call("POST", "/api/dashboards/db", body)
    read(world, "roof", 60, 30)

    assert world.run().logged == ["powerview: repaired acme: overview's campaigns"]  # it is known to be over
    assert world.grafana.dashboard(ROOF)["time"] == mine
    assert (world.run().changed, world.journal.writes) == (0, [])

    assert world.run(playbook="update_dashboards").logged == ["powerview: updated acme/roof: time"]
    assert world.grafana.dashboard(ROOF)["time"] == DEFAULT  # all of it is the Master's again


@QUICKLY_ON_CONTRACT
def test_a_run_with_nothing_to_do_reads_no_campaigns_dashboard(world: World):
    world.campaigns("acme/roof", "acme/hall")
    world.make_everything()
    read(world, "roof", 60, 30)
    world.run()
    assert world.run().changed == 0
    read_whole = [c.target for c in world.journal.calls if c.target.startswith("/api/dashboards/uid/pv-b-")]
    assert [target for target in read_whole if not target.endswith("/permissions")] == []


@QUICKLY
def test_a_run_that_dies_between_the_range_and_the_list_is_finished_by_the_next(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    read(world, "roof", 60, 30)
    world.journal.before = lambda number, _what: 500 if number == 2 else None
    assert world.run().status == 2
    world.journal.before = None

    assert world.run().logged == ["powerview: repaired acme: overview's campaigns"]
    assert world.grafana.dashboard(ROOF)["time"] == listed(world)["roof"].time
    assert (world.run().changed, world.journal.writes) == (0, [])


@QUICKLY
def test_influxdb_that_refuses_the_query_is_reported_and_the_dashboards_are_made(world: World):
    world.campaigns("acme/roof")
    world.journal.before_read = lambda what: 500 if "/api/v2/query" in what else None

    run = world.run()

    assert run.status == 2
    assert "not finished: acme: InfluxDB" in run.logged[-1]
    assert ROOF in world.state()["dashboards"]
    world.journal.before_read = None
    assert world.run().logged == ["powerview: repaired acme: overview, home page"]


@QUICKLY
def test_a_campaign_called_as_the_overview_keeps_its_title(world: World):
    world.campaigns("acme/Overview")
    assert world.run().status == 0
    titles = sorted(h["title"] for h in world.grafana.get("/api/search?type=dash-db&tag=acme"))
    assert titles == ["Overview", "Overview (acme)"]
