"""On a real Grafana, wherever GRAFANA and GRAFANA_HOME name one: the project's own dashboards, every query of them sent
by a person of the client's team through the client's data source, and whether the sentence on isolation is true."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime

import pandas as pd
import pytest
import requests
from browser import window
from dashboard_queries import Query, View, fill, queries
from grafana_automation import FOLDER, tree
from grafana_queries import ALL_TIME, numbers_of_frame, send
from grafana_server import provision, running_grafana
from provisioning_world import MASTER, PASSWORD, PERSONALITIES, GrafanaClient, World, make_world
from sample_tree import lay_out
from trees import Site
from waiting import LONG, wait_until

pytest_plugins = ("provisioning_fixture",)

__test__ = "real" in PERSONALITIES  # else there is nothing here to run, so nothing to skip either

CAMPAIGNS = {"acme": "roof-2025", "globex": "cold-store", "initech": "meter-room"}


@pytest.fixture(scope="module", params=["team", "org"])
def site(request, influx, grafana_template, tmp_path_factory):
    """The sample files parsed, and the playbook run on the project's own dashboards, in each isolation."""
    folder = tmp_path_factory.mktemp(f"real-{request.param}")
    with ExitStack() as stack:
        world = make_world("real", influx, folder, stack, grafana_template, FOLDER / "dashboards" / "provisioned")
        world.env["POWERVIEW_ISOLATION"] = request.param
        lay_out(world.data)
        names = ("INFLUXDB_HOST", "INFLUXDB_ADMIN_TOKEN", "INFLUXDB_ORG")
        parsed = Site(folder, {name: world.env[name] for name in names}).run()
        assert parsed.returncode in (0, 1), parsed.stderr  # 1: among the samples are files that cannot be read
        run = world.run()
        assert run.status == 0, run.output
        for client in CAMPAIGNS:
            person = world.run(
                playbook="add_grafana_user_to_team", POWERVIEW_CLIENT=client, POWERVIEW_USER=f"{client}-person",
                POWERVIEW_USER_PASSWORD="of-one-person",
            )  # fmt: skip
            assert person.status == 0, person.output
        yield world


def test_the_projects_dashboards_are_there_and_only_admins_see_them(site: World):
    hits = site.grafana.get("/api/search?limit=5000")
    assert {h["uid"] for h in hits if h.get("folderUid") == "powerview-admin"} >= {
        "powerview-master",
        "powerview-loggers",
    }

    for client in CAMPAIGNS:
        seen = as_person(site, client).get("/api/search?limit=5000")
        assert sorted(h["title"] for h in seen) == sorted(["Overview", client, CAMPAIGNS[client]])


def test_every_person_logs_in_and_every_query_of_their_dashboards_is_answered(site: World):
    for client, campaign in CAMPAIGNS.items():
        login = {"user": f"{client}-person", "password": "of-one-person"}
        assert requests.post(f"{site.grafana.url}/login", json=login).status_code == 200
        person = as_person(site, client)
        described = tree.describe(client, [campaign])
        dashboard = person.dashboard(described["campaigns"][0]["uid"])
        found = queries(dashboard)
        assert len(found) > 10
        empty = [p for p, q in found.items() if not send(person, described["data_source_uid"], q, dashboard)]
        assert [place for place in empty if not may_be_empty(place)] == []
        overview = person.dashboard(described["overview"]["uid"])
        for query in queries(overview).values():
            assert send(person, described["data_source_uid"], query, overview, ALL_TIME)


def test_a_person_who_logs_in_lands_on_the_overview_and_from_there_in_a_finished_campaign(site: World):
    described = tree.describe("acme", [CAMPAIGNS["acme"]])
    with window(language="fr-FR") as seen:
        page = seen.page
        # Grafana names devices by FingerprintJS, which calls its maker from one page in a thousand unless this is set.
        page.add_init_script("window.__fpjs_d_m = true")
        page.goto(f"{site.grafana.url}/login")
        page.fill("input[name=user]", "acme-person")
        page.fill("input[name=password]", "of-one-person")
        page.click("button[type=submit]")
        page.wait_for_url(f"**/d/{described['overview']['uid']}/**")
        link = page.get_by_role("link", name=CAMPAIGNS["acme"])
        link.first.wait_for()
        page.wait_for_load_state("networkidle")
        assert page.get_by_text("Finished").count() == 1
        assert [text for text in seen.complaints if "rror" in text or "feed" in text] == []
        assert [url for url in seen.requests if not url.startswith((site.grafana.url, "data:", "blob:"))] == []

        link.first.click()
        page.wait_for_url(f"**/d/{described['campaigns'][0]['uid']}**")
        own = page.url
    person = as_person(site, "acme")
    time = person.dashboard(described["campaigns"][0]["uid"])["time"]
    span = [int(datetime.fromisoformat(time[edge]).timestamp() * 1000) for edge in ("from", "to")]
    assert f"from={span[0]}&to={span[1]}" in own  # the link and the dashboard itself open alike


def test_french_comes_over_and_goes_again(site: World):
    site.env["POWERVIEW_LANGUAGE"] = "fr"
    run = site.run()
    assert run.status == 0, run.output
    assert site.run().changed == 0
    assert site.run(playbook="update_dashboards").status == 0
    assert site.run(playbook="update_dashboards").logged == []
    described = tree.describe("acme", [CAMPAIGNS["acme"]])
    person = as_person(site, "acme")
    assert person.dashboard(described["overview"]["uid"])["panels"][0]["title"] == "Campagnes"
    french = person.dashboard(described["campaigns"][0]["uid"])
    assert "Puissance totale" in [panel["title"] for panel in french["panels"]]
    assert site.grafana.dashboard("powerview-loggers")["title"] == "Enregistreurs"
    found = queries(french)
    empty = [p for p, q in found.items() if not send(person, described["data_source_uid"], q, french, ALL_TIME)]
    assert len(empty) < len(found) / 2
    site.env["POWERVIEW_LANGUAGE"] = "en"
    assert site.run().status == 0
    assert site.run(playbook="update_dashboards").status == 0
    assert (site.run().changed, site.run(playbook="update_dashboards").logged) == (0, [])


def test_a_second_run_changes_nothing_and_an_update_neither(site: World):
    assert (site.run().changed, site.journal.writes) == (0, [])
    assert (site.run(playbook="update_dashboards").logged, site.journal.writes) == ([], [])


def test_a_data_source_reads_its_own_bucket_and_no_other(site: World):
    source = tree.describe("acme", [])["data_source_uid"]
    query = Query("", 'from(bucket: "globex") |> range(start: 2020-01-01T00:00:00Z) |> limit(n: 1)')

    with pytest.raises(AssertionError, match='could not find bucket \\\\"globex\\\\"'):
        send(as_person(site, "acme"), source, query, None)


def test_the_sentence_on_isolation_is_true(site: World):
    """In team mode people see their own folder only, but may query every data source; in org mode they cannot."""
    person, globex = as_person(site, "acme"), tree.describe("globex", ["cold-store"])
    assert person.call("GET", f"/api/dashboards/uid/{globex['campaigns'][0]['uid']}", ok=(403, 404)) in (403, 404)
    assert person.call("GET", f"/api/folders/{globex['folder_uid']}", ok=(403, 404)) in (403, 404)
    query = Query("", "from(bucket: v.defaultBucket) |> range(start: 2020-01-01T00:00:00Z) |> limit(n: 1)")

    if site.env["POWERVIEW_ISOLATION"] == "team":
        assert send(person, globex["data_source_uid"], query, None)
    else:
        with pytest.raises(AssertionError, match="404"):
            send(person, globex["data_source_uid"], query, None)
        elsewhere = site.person("acme-person", site.org("globex"))
        with pytest.raises(AssertionError, match="403"):
            send(elsewhere, globex["data_source_uid"], query, None)


def test_the_numbers_of_every_panel_are_those_of_the_store_and_its_days_those_of_pandas(site: World):
    person, client, campaign = as_person(site, "acme"), "acme", CAMPAIGNS["acme"]
    described = tree.describe(client, [campaign])
    dashboard = person.dashboard(described["campaigns"][0]["uid"])
    store = copy.copy(site.influx)
    store.org = site.env["INFLUXDB_ORG"]
    view = View(*SHOWN, client, {"campaign": campaign, "source": campaign}, store.org)
    shown = {
        place: send(person, described["data_source_uid"], query, dashboard, SHOWN)
        for place, query in queries(dashboard).items()
        if not place.startswith(("variable", "annotation", "Last reading"))  # they show no numbers, or the hour
    }
    assert len(shown) > 10

    for place, frames in shown.items():
        stored = store.query(fill(queries(dashboard)[place], view, dashboard))
        in_frames = Counter(number for frame in frames for number in rounded(numbers_of_frame(frame)))
        assert in_frames == Counter(number for row in stored for number in numbers_of_row(row)), place
    assert sum(any(map(numbers_of_frame, frames)) for frames in shown.values()) > 10
    (days,) = shown["Energy per day A"]
    assert sum(numbers_of_frame(days)) == pytest.approx(energy_by_pandas(store, client, campaign), rel=1e-9)


SHOWN = (datetime(2025, 10, 21, 22, tzinfo=UTC), datetime(2025, 10, 27, 23, tzinfo=UTC))


def rounded(numbers: list[float]) -> list[float]:
    """Numbers to twelve digits."""
    return [float(f"{n:.12g}") for n in numbers]


def numbers_of_row(row: dict[str, str]) -> list[float]:
    """The numbers of a row of InfluxDB's CSV: what is no time, tag or name."""
    texts = [text for name, text in row.items() if name not in TAGS and text and not re.match(r"\d{4}-\d\d-", text)]
    return rounded([float(text) for text in texts if re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", text)])


TAGS = ("campaign", "channel", "channel_idx", "channel_name", "device", "unit", "Channel", "Unit", "Device")


def energy_by_pandas(store, bucket: str, campaign: str) -> float:
    """Wh: the mean power of each channel in each ten minutes with readings, times ten minutes, summed."""
    start, stop = (moment.isoformat().replace("+00:00", "Z") for moment in SHOWN)
    rows = store.query(
        f'from(bucket: "{bucket}") |> range(start: {start}, stop: {stop})'
        f' |> filter(fn: (r) => r._measurement == "{campaign}" and r.unit == "W")'
    )
    readings = pd.DataFrame({name: [row[name] for row in rows] for name in ("_time", "_value", "channel")})
    steps = pd.to_datetime(readings._time, format="ISO8601").dt.floor("10min")
    return readings._value.astype(float).groupby([readings.channel, steps]).mean().sum() / 6


ADDRESSES = """
/api/search?limit=5000 /api/search?type=dash-folder /api/search?deleted=true /api/search/sorting /api/folders
/api/folders/{folder} /api/folders/{folder}/permissions /api/folders/{folder}/counts /api/folders/id/2
/api/dashboards/uid/{dashboard} /api/dashboards/uid/{dashboard}/permissions
/api/dashboards/uid/{dashboard}/versions /api/dashboards/home /api/dashboards/tags /api/dashboards/ids/2
/api/dashboards/uid/powerview-master /api/dashboards/uid/powerview-loggers /api/teams/search /api/teams/2
/api/teams/2/members /api/teams/2/preferences /api/org /api/org/users /api/org/users/lookup /api/org/preferences
/api/orgs /api/orgs/2 /api/orgs/name/globex /api/users /api/users/lookup?loginOrEmail=globex-person /api/user
/api/user/orgs /api/user/teams /api/annotations /api/annotations/tags /api/library-elements /api/playlists
/api/snapshots /api/dashboard/snapshots /api/serviceaccounts/search /api/auth/keys
/api/alertmanager/grafana/api/v2/alerts /api/alertmanager/grafana/api/v2/silences
/api/alertmanager/grafana/config/api/v1/alerts /api/alertmanager/grafana/api/v2/status
/api/ruler/grafana/api/v1/rules /api/prometheus/grafana/api/v1/rules /api/prometheus/grafana/api/v1/alerts
/api/v1/provisioning/alert-rules /api/v1/provisioning/contact-points /api/v1/provisioning/policies
/api/v1/provisioning/templates /api/v1/notifications/receivers /api/access-control/user/permissions
/api/access-control/roles /api/access-control/teams/2 /api/access-control/folders/{folder}
/api/access-control/datasources/{source} /api/correlations /api/datasources/correlations /api/query-history
/api/admin/stats /api/admin/settings /api/admin/users /api/datasources /api/datasources/uid/{source}
/api/datasources/uid/{source}/health /api/datasources/name/globex
/api/datasources/proxy/uid/{source}/api/v2/buckets /api/frontend/settings /api/bootdata /api/plugins
/api/gnet/dashboards /api/live/list /api/dashboards/import /api/public/dashboards
/api/dashboards/public-dashboards /api/recording-rules
/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards
/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/{dashboard}
/apis/folder.grafana.app/v1beta1/namespaces/default/folders
/apis/iam.grafana.app/v0alpha1/namespaces/default/teams /apis /openapi/v2 / /alerting/list /dashboards
/d/{dashboard} /explore /playlists /library-panels /dashboard/snapshots /org/users /org/teams /alerting/notifications
/api/search?query={campaign} /api/search?folderUIDs={folder} /api/search?dashboardUIDs={dashboard}
/api/search?tag=globex /api/search?starred=true /api/dashboards/uid/{dashboard}/versions/1
/api/dashboards/uid/{dashboard}/public-dashboards /api/dashboards/db/cold-store /api/annotations?limit=1000
/api/annotations?dashboardUID={dashboard} /api/annotations?tags=globex /api/annotations/{annotation}
/api/library-elements?perPage=1000 /api/library-elements/{library} /api/library-elements/name/filed-by-globex
/api/library-elements/{library}/connections /api/playlists/{playlist} /api/playlists/{playlist}/items
/apis/playlist.grafana.app/v0alpha1/namespaces/default/playlists /api/dashboard/snapshots?query=globex
/api/query-history?datasourceUid={source} /api/user/stars /api/users/{person} /api/users/{person}/teams
/api/users/{person}/orgs /api/users/search?query=globex /api/org/users/search?query=globex
/api/teams/search?query=globex /api/teams/search?name=globex /api/access-control/users/permissions/search
/api/access-control/dashboards/{dashboard} /api/ruler/grafana/api/v1/rules/{folder}
/api/v1/provisioning/folder/{folder}/rule-groups/globex /api/datasources/uid/{source}/resources/buckets
/api/datasources/proxy/uid/{source}/query?q=SHOW%20DATABASES /api/datasources/id/globex
/api/datasources/uid/{source}/correlations /public-dashboards /api/cloudmigration/migration /metrics
/api/user/preferences /api/live/list /api/admin/settings-verbose /api/admin/ldap/status /avatar/globex
/apis/folder.grafana.app/v1beta1/namespaces/default/folders/{folder}
/api/annotations/{general_annotation} /api/annotations?type=annotation /api/library-elements/{general_library}
/api/library-elements/name/globex%20general%20panel /goto/{link} /api/datasources/{source_id} /api/teams/{team}
/api/teams/{team}/members /api/teams/{team}/preferences /api/orgs/{org} /api/orgs/{org}/users
/api/dashboards/id/{dashboard_id}/versions /api/dashboards/id/{dashboard_id}/permissions
/api/alertmanager/grafana/config/api/v1/receivers /api/alertmanager/grafana/config/history /api/org/invites
/api/datasources/proxy/uid/{source}/metrics /api/access-control/user/actions /d-solo/{dashboard}/x?panelId=1
""".split()  # noqa: SIM905
WITH_NAMES_OF_CLIENTS = {
    "/api/datasources", "/api/datasources/uid/{source}", "/api/datasources/uid/{source}/health",
    "/api/datasources/name/globex", "/api/datasources/{source_id}", "/api/access-control/user/permissions",
    "/api/dashboards/tags", "/api/frontend/settings", "/api/bootdata",
}  # fmt: skip
"""Where Grafana shows its viewers the names of all data sources and tags of an organisation: as the documentation says,
in team mode a client's name is no secret from the others."""
SETTINGS = r'"(globex|name|defaultBucket)": ?("globex"|{{)|"uid": ?"{source}"|/api/datasources/proxy/uid/{source}'
"""What each page brings of /api/frontend/settings."""
MADE_BY_PEOPLE = {
    "/api/playlists", "/api/playlists/{playlist}", "/api/playlists/{playlist}/items", "/api/annotations/tags",
    "/apis/playlist.grafana.app/v0alpha1/namespaces/default/playlists", "/api/annotations",
    "/api/annotations?limit=1000", "/api/annotations?tags=globex", "/api/annotations?type=annotation",
    "/api/annotations/{general_annotation}",
    "/api/library-elements", "/api/library-elements?perPage=1000", "/api/library-elements/{general_library}",
    "/api/library-elements/name/globex%20general%20panel", "/api/datasources/correlations",
    "/api/datasources/uid/{source}/correlations", "/goto/{link}",
}  # fmt: skip
"""What Grafana keeps for a whole organisation, whoever made it: the documentation says so."""


FILED = "filed-by-globex"
"""How things in a folder or on a dashboard of globex are called."""


def leave_traces(site: World, uids: dict[str, str]) -> dict[str, str]:
    """All that people of globex and its admins may make beside their dashboard; returns the uids of it."""
    folder, dashboard, source = (uids[name] for name in ("folder", "dashboard", "source"))
    admin, person = admin_in(site, "globex"), as_person(site, "globex")
    note = {"dashboardUID": dashboard, "time": 1_760_000_000_000, "tags": ["globex"], "text": FILED}
    panel = {"kind": 1, "name": FILED, "folderUid": folder, "model": {"type": "text", "title": "globex"}}
    items = [{"type": "dashboard_by_uid", "value": dashboard}]
    playlist = {"name": "globex playlist", "interval": "5m", "items": items}
    snapshot = {"dashboard": {"title": "globex snapshot", "panels": []}, "name": "globex snapshot"}
    public = f"/api/dashboards/uid/{dashboard}/public-dashboards"
    # What asks for no login is off, for the admins too.
    assert admin.call("POST", "/api/snapshots", snapshot, ok=(403,)) == 403
    assert admin.call("POST", public, {"isEnabled": True, "share": "public"}, ok=(404,)) == 404
    person.call("POST", f"/api/user/stars/dashboard/uid/{dashboard}")
    asked = {"datasourceUid": source, "queries": [{"refId": "A", "query": "globex"}]}
    admin.call("POST", "/api/query-history", asked)
    # What belongs to no dashboard and no folder.
    general = {"time": 1_760_000_000_000, "tags": ["globex"], "text": "a note of globex"}
    unfiled = {**panel, "name": "globex general panel", "folderUid": ""}
    correlation = {"targetUID": source, "label": "globex", "type": "query"}
    correlation["config"] = {"type": "query", "field": "x", "target": {}}
    admin.call("POST", f"/api/datasources/uid/{source}/correlations", correlation)
    (team,) = admin.get("/api/teams/search?name=globex")["teams"]
    return {
        "annotation": str(admin.call("POST", "/api/annotations", note)["id"]),
        "general_annotation": str(admin.call("POST", "/api/annotations", general)["id"]),
        "library": admin.call("POST", "/api/library-elements", panel)["result"]["uid"],
        "general_library": admin.call("POST", "/api/library-elements", unfiled)["result"]["uid"],
        "playlist": admin.call("POST", "/api/playlists", playlist)["uid"],
        "link": admin.call("POST", "/api/short-urls", {"path": f"d/{dashboard}/globex"})["uid"],
        "person": str(site.grafana.get("/api/users/lookup?loginOrEmail=globex-person")["id"]),
        "team": str(team["id"]),
        "dashboard_id": str(admin.dashboard(dashboard)["id"]),
        "source_id": str(admin.get(f"/api/datasources/uid/{source}")["id"]),
        "org": admin.session.headers["X-Grafana-Org-Id"],
        "campaign": CAMPAIGNS["globex"],
    }


def test_a_viewer_of_one_client_finds_nothing_of_another_through_any_address(site: World):
    globex = tree.describe("globex", [CAMPAIGNS["globex"]])
    uids = {
        "folder": globex["folder_uid"],
        "dashboard": globex["campaigns"][0]["uid"],
        "source": globex["data_source_uid"],
    }
    words = ("globex", CAMPAIGNS["globex"], *uids.values())
    uids |= leave_traces(site, uids)
    person = as_person(site, "acme")
    known = WITH_NAMES_OF_CLIENTS | MADE_BY_PEOPLE if site.env["POWERVIEW_ISOLATION"] == "team" else set()

    assert telling(person, uids, words) <= known
    assert telling(person, uids, (FILED,)) == set()
    for org in {"1", uids["org"]} if not known else ():  # an organisation that the person is no member of
        assert telling(site.person("acme-person", int(org)), uids, words) == set(), org
    assert foreign_writes(person, uids) == []


def telling(person: GrafanaClient, uids: dict[str, str], words: tuple[str, ...]) -> set[str]:
    """The addresses at which a person reads one of the words that are another client's."""
    found = set()
    for address in ADDRESSES:
        own = address.format(**uids)
        answer = person.session.get(person.url + own, timeout=LONG)
        text = answer.text if answer.status_code < 400 else ""
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            text = re.sub(SETTINGS.format(**uids), "", text)
        text += "".join(step.headers["Location"] for step in answer.history)
        text = text.replace(own, "")  # the page of an error repeats its own
        if any(word in text for word in words):
            found.add(address)
    return found


def foreign_writes(person, uids: dict[str, str]) -> list[str]:
    """The calls by which a person would change, copy or read something of globex, and that Grafana does."""
    dashboard, folder, source = (uids[name] for name in ("dashboard", "folder", "source"))
    panel = {"kind": 1, "name": "mine", "folderUid": folder, "model": {"type": "text", "title": "mine"}}
    diff = {"base": {"dashboardId": 1, "version": 1}, "new": {"dashboardId": 1, "version": 1}, "diffType": "json"}
    calls = [
        ("POST", "/api/dashboards/db", {"dashboard": {"uid": dashboard, "title": "mine"}, "overwrite": True}),
        ("POST", "/api/dashboards/db", {"dashboard": {"title": "mine"}, "folderUid": folder}),
        ("DELETE", f"/api/dashboards/uid/{dashboard}", None),
        ("POST", f"/api/dashboards/uid/{dashboard}/permissions", {"items": [{"role": "Viewer", "permission": 1}]}),
        ("POST", f"/api/dashboards/uid/{dashboard}/restore", {"version": 1}),
        ("POST", "/api/dashboards/calculate-diff", diff),
        ("POST", f"/api/folders/{folder}/permissions", {"items": [{"role": "Viewer", "permission": 1}]}),
        ("PUT", f"/api/folders/{folder}", {"title": "mine", "overwrite": True}),
        ("DELETE", f"/api/folders/{folder}", None),
        ("POST", "/api/annotations", {"dashboardUID": dashboard, "text": "mine"}),
        ("PATCH", f"/api/annotations/{uids['annotation']}", {"text": "mine"}),
        ("POST", "/api/library-elements", panel),
        ("DELETE", f"/api/library-elements/{uids['library']}", None),
        ("DELETE", f"/api/playlists/{uids['playlist']}", None),
        ("POST", f"/api/teams/{uids['person']}/members", {"userId": 1}),
        ("PUT", f"/api/datasources/uid/{source}", {"name": "mine", "type": "influxdb", "access": "proxy"}),
        ("DELETE", f"/api/datasources/uid/{source}", None),
        ("POST", f"/api/datasources/proxy/uid/{source}/api/v2/query?org=powerview", {"query": "buckets()"}),
        ("POST", f"/api/datasources/proxy/uid/{source}/api/v2/delete?org=powerview", {}),
        ("POST", "/api/users/globex-person/using/1", None),
        ("POST", "/api/invites", {"loginOrEmail": "mine", "role": "Viewer"}),
        ("POST", "/api/org/invites", {"loginOrEmail": "mine", "role": "Viewer"}),
    ]
    answers = [(m, p, person.session.request(m, person.url + p, json=b, timeout=LONG)) for m, p, b in calls]
    return [f"{m} {p}: {a.status_code} {a.text[:200]}" for m, p, a in answers if a.status_code < 400]


ALERTING_OF_BEFORE = """apiVersion: 1
contactPoints:
  - {orgId: 1, name: PowerView's admin, receivers: [
      {uid: powerview-admin-email, type: email, settings: {addresses: nobody@localhost}},
      {uid: powerview-admin-webhook, type: webhook, settings: {url: "http://127.0.0.1:1/secret"}}]}
groups:
  - orgId: 1
    name: PowerView
    folder: admin alerts
    interval: 5m
    rules:
      - &rule
        uid: powerview-silent
        title: Logger silent
        condition: no
        for: 0s
        data: [{refId: no, datasourceUid: __expr__, model: {refId: no, type: math, expression: "0"}}]
      - {<<: *rule, uid: powerview-influxdb, title: InfluxDB cannot be asked}
"""


def test_an_installation_of_before_loses_its_alerts_and_keeps_its_master(influx, tmp_path):
    folder, dashboards = tmp_path / "grafana", tmp_path / "dashboards"
    alerting = folder / "provisioning" / "alerting"
    alerting.mkdir(parents=True)
    alerting.joinpath("powerview.yml").write_text(ALERTING_OF_BEFORE)
    dashboards.mkdir()
    (dashboards / "master.json").write_text(json.dumps(MASTER))
    provision(folder, dashboards)
    with running_grafana(folder, PASSWORD) as server:
        before = GrafanaClient(server.url, "admin", PASSWORD)
        master = "/api/dashboards/uid/powerview-master"
        wait_until(lambda: before.call("GET", master, ok=(200, 404)) == 200, LONG, lambda: server.log()[-3000:])
        edited = {**before.dashboard("powerview-master"), "id": None, "title": "Ours"}
        body = {"dashboard": edited, "folderUid": "powerview-admin", "overwrite": True, "message": "by hand"}
        before.call("POST", "/api/dashboards/db", body)
        assert len(before.get("/api/v1/provisioning/alert-rules")) == 2
    alerting.joinpath("powerview.yml").unlink()
    (dashboards / "master.json").unlink()

    with ExitStack() as stack:
        world = make_world("real", influx, tmp_path / "world", stack, folder, dashboards)
        run = world.run()
        assert (run.status, run.logged) == (
            0,
            [
                "powerview: repaired admin: permissions, bucket, token, data source, alert rules of an earlier version "
                "removed, contact point powerview-admin-email removed, contact point powerview-admin-webhook removed"
            ],
        )
        assert world.grafana.get("/api/v1/provisioning/alert-rules") == []
        points = str(world.grafana.get("/api/v1/provisioning/contact-points"))
        assert ("powerview" in points, "secret" in points) == (False, False)
        assert sorted(h["title"] for h in world.grafana.get("/api/search")) == ["Ours", "admin"]
        assert world.run().changed == 0


def admin_in(site: World, client: str) -> GrafanaClient:
    """The admin, in the organisation that the client is in."""
    org = site.org(client) if site.env["POWERVIEW_ISOLATION"] == "org" else 1
    return GrafanaClient(site.grafana.url, "admin", site.env["GRAFANA_PASSWORD"], org)


def as_person(site: World, client: str):
    """The client of the person in a team."""
    org = site.org(client) if site.env["POWERVIEW_ISOLATION"] == "org" else 1
    return site.person(f"{client}-person", org)


def may_be_empty(place: str) -> bool:
    """Whether a query may find nothing in a campaign of the samples: not each had restarts, or three phases."""
    return place.startswith(("annotation ", "Phase voltages", *NOT_IN_EACH_CAMPAIGN))


NOT_IN_EACH_CAMPAIGN = (
    "Base load", "Hours above the subscribed power", "Voltage by week", "Lowest and highest voltage",
    "Phases never connected", "Gaps of more than an hour", "Wiring to check", "Channels that changed", "Other units",
    "variable other", "Not counted", "Production", "Energy of the parts", "Rest", "Energy per day by channel",
)  # fmt: skip
