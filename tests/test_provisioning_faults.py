"""Servers that are away, refuse, or fail in the middle, killed runs, two runs at once: the next run ends well."""

from __future__ import annotations

import json

import pytest
from grafana_automation import tree
from influx_server import free_port
from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World, expected, expected_in_influx, finished, kill
from waiting import LONG

pytest_plugins = ("provisioning_fixture",)

ACME = tree.describe("acme", ["roof"])
WRITES = 12
"""The writes of a first run, in the order of `test_provisioning.py`; the first four are the admins'."""
TOKEN_MADE = 9


@QUICKLY
def test_a_wrong_password_is_tried_once(world: World):
    world.campaigns("acme/roof", "globex/roof")

    run = world.run(GRAFANA_PASSWORD="wrong")

    assert (run.status, run.changed) == (2, 0)
    assert run.logged == [
        f"powerview: Grafana at {world.env['GRAFANA_URL']} refuses the login: look at GRAFANA_USERNAME, "
        f"GRAFANA_PASSWORD. If they are right, the login is locked: five wrong passwords, whoever typed them, lock it "
        f"for five minutes."
    ]
    # The playbooks' own login, whose name is made of the password, and the admin's: each once.
    assert [str(call) for call in world.journal.calls] == ["grafana GET /api/user/orgs → 401"] * 2


@QUICKLY
def test_a_wrong_token_is_reported(world: World):
    world.campaigns("acme/roof")

    run = world.run(INFLUXDB_ADMIN_TOKEN="wrong")

    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        f"powerview: InfluxDB at {world.env['INFLUXDB_HOST']} refuses the login: look at INFLUXDB_ADMIN_TOKEN."
    ]


@QUICKLY
@pytest.mark.parametrize("variable", ["GRAFANA_URL", "INFLUXDB_HOST"])
def test_a_server_that_is_away_is_reported(world: World, variable):
    world.campaigns("acme/roof")
    away = f"http://127.0.0.1:{free_port()}"

    run = world.run(**{variable: away})

    name = {"GRAFANA_URL": "Grafana", "INFLUXDB_HOST": "InfluxDB"}[variable]
    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        f"powerview: {name} does not answer at {away} ({variable}): Connection refused. Is it running?"
    ]


@QUICKLY
def test_an_organisation_that_is_not_there_is_reported(world: World):
    run = world.run(INFLUXDB_ORG="nobody")

    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        f"powerview: InfluxDB at {world.env['INFLUXDB_HOST']} (INFLUXDB_HOST) has no organisation 'nobody' that this "
        f"token may see: look at INFLUXDB_ORG and INFLUXDB_ADMIN_TOKEN."
    ]


@QUICKLY
def test_without_an_influxdb_nothing_is_written(world: World):
    world.campaigns("acme/roof")
    del world.env["INFLUXDB_HOST"]

    run = world.run(ANSIBLE_NOCOLOR="1", INFLUXDB_HOST="")

    assert (run.status, world.journal.calls) == (2, [])
    (line,) = run.logged
    assert line.startswith("powerview: INFLUXDB_HOST is not set, and without it no token can be made for a data source")


@QUICKLY
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_a_500_in_the_middle_is_reported_and_the_next_run_ends_well(world: World, number):
    world.campaigns("acme/roof")
    refused = []

    def fail_once(count, what):
        if count != number:
            return None
        refused.append(what)
        return 500

    world.journal.before = fail_once
    failed = world.run()
    world.journal.before = None
    nothing_behind_an_open_folder(world, failed)

    (what,) = refused
    name, variable = ("InfluxDB", "INFLUXDB_HOST") if what.startswith("influxdb") else ("Grafana", "GRAFANA_URL")
    client = "admin" if number <= 4 else "acme"
    start = f'powerview: not finished: {client}: {name} at {world.env[variable]} ({variable}) answered the task "'
    assert failed.status == 2
    assert failed.logged[-1].startswith(start), failed.logged
    assert failed.logged[-1].endswith('" with 500 (a fault of the test): look at its log.')
    ends_well(world)


@QUICKLY
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_data_source_that_grafana_refuses_leaves_no_token_behind(world: World, there):
    world.make_everything()  # the admins' things
    world.campaigns("acme/roof", "globex/roof")
    if there:
        world.make_everything()
        used = next(i for i, t in world.tokens().items() if "reads acme" in t["description"])
        world.influx_call("DELETE", f"/api/v2/authorizations/{used}")
    before = world.in_influx()["tokens"]
    name = ACME["data_source_uid"] if there else "/api/datasources"
    refused = []

    def refuse_the_first(_number, what):
        if "datasources" in what and name in what and not refused:
            refused.append(what)
            return 403
        return None

    for _ in range(2):
        refused.clear()
        world.journal.before = refuse_the_first
        run = world.run(POWERVIEW_CLIENT="acme")

        assert (run.status, len(refused)) == (2, 1)
        (logged,) = run.logged
        task = "Change" if there else "Create"
        start = f"powerview: not finished: acme: Grafana at {world.env['GRAFANA_URL']} forbids the task"
        assert logged.startswith(f'{start} "{task} the data source"'), logged
        assert world.in_influx()["tokens"] == before

    world.journal.before = None
    assert world.run().status == 0
    tree_now = {"acme": ["roof"], "globex": ["roof"]}
    assert world.state() == {**expected(world, tree_now), **expected_in_influx(world, list(tree_now))}


@QUICKLY
def test_a_data_source_that_was_written_all_the_same_keeps_its_token(world: World):
    world.campaigns("acme/roof")
    real = world.to_grafana._forward

    def forward(upstream, method, target, headers, body):
        answer, call = real(upstream, method, target, headers, body)
        if method == "POST" and target == "/api/datasources" and b'"acme"' in body:
            return (500, "application/json", b'{"message": "too late"}'), call
        return answer, call

    world.to_grafana._forward = forward
    failed = world.run()
    world.to_grafana._forward = real

    assert (failed.status, failed.logged[-1].endswith("with 500 (too late): look at its log.")) == (2, True)
    assert world.in_influx() == expected_in_influx(world, ["acme"])
    ends_well(world)


@QUICKLY
@pytest.mark.parametrize(
    "number", [n if n == TOKEN_MADE else pytest.param(n, marks=pytest.mark.slow) for n in range(1, WRITES + 1)]
)
def test_a_run_that_is_killed_after_any_write_leaves_what_the_next_one_finishes(world: World, number):
    world.campaigns("acme/roof")
    killed = []

    def kill_after(count, _call):
        if count == number:
            kill(killed[0])

    world.journal.after = kill_after
    world.journal.clear()
    killed.append(world.start("create_grafana_resources"))
    killed[0].wait(LONG)
    world.journal.after = None
    assert len(world.journal.writes) == number

    ends_well(world)


@QUICKLY
def test_a_read_that_fails_in_the_middle_is_reported_in_one_sentence(world: World):
    world.make_everything()
    world.campaigns("acme/roof")
    source = f"/api/datasources/uid/{ACME['data_source_uid']}"
    world.journal.before_read = lambda what: 500 if source in what else None

    run = world.run()

    url = world.env["GRAFANA_URL"]
    assert run.status == 2
    assert run.logged == [
        f"powerview: not finished: acme: Grafana at {url} (GRAFANA_URL) answered GET {source} with 500 "
        f"(a fault of the test): look at its log."
    ]


@QUICKLY
def test_a_list_that_cannot_be_read_stops_every_client_for_one_reason(world: World):
    world.make_everything()  # the admins' things
    world.campaigns("acme/roof", "globex/roof")
    world.journal.before_read = lambda what: 500 if "/api/teams/search" in what else None

    run = world.run()

    assert (run.status, world.journal.writes) == (2, [])
    assert run.logged == [
        f"powerview: not finished: acme: Grafana at {world.env['GRAFANA_URL']} (GRAFANA_URL) answered GET "
        f"/api/teams/search with 500 (a fault of the test): look at its log."
    ]


@QUICKLY
def test_a_grafana_that_dies_in_the_middle_ends_the_run_at_once(world: World):
    world.campaigns("acme/roof", "beta/roof", "gamma/roof")
    world.make_everything()
    for client in ("acme", "beta", "gamma"):
        folder = tree.describe(client, [])["folder_uid"]
        world.grafana.call("POST", f"/api/folders/{folder}/permissions", {"items": []})
    attempts = world.let_grafana_die()
    run = world.run()

    assert run.status == 2
    assert len(attempts) == 1
    assert run.logged == [
        f"powerview: not finished: acme: Grafana does not answer at {world.env['GRAFANA_URL']} (GRAFANA_URL): "
        f"Remote end closed connection without response. Is it running?"
    ]


@QUICKLY
@pytest.mark.parametrize(
    ("isolation", "first", "whose"),
    [
        ("team", "grafana POST /api/folders/powerview-admin/permissions", "admin"),
        ("org", "grafana POST /api/orgs", "acme"),
    ],
    ids=["team", "org"],
)
def test_a_grafana_that_dies_at_the_first_write_is_asked_for_nothing_more(world: World, isolation, first, whose):
    world.env["POWERVIEW_ISOLATION"] = isolation
    world.campaigns("acme/roof", "beta/roof")
    attempts = world.let_grafana_die()
    run = world.run()

    assert (run.status, attempts) == (2, [first])
    assert run.logged == [
        f"powerview: not finished: {whose}: Grafana does not answer at {world.env['GRAFANA_URL']} (GRAFANA_URL): "
        f"Remote end closed connection without response. Is it running?"
    ]


@QUICKLY
def test_a_clients_data_source_is_not_the_default_where_it_is_the_first(world: World):
    """Grafana makes the first one of an organisation its default: what names none would show that client's readings."""
    world.campaigns("acme/roof")
    refused = []

    def refuse_the_admins(_number, what):
        if what.endswith("POST /api/datasources") and not refused:
            refused.append(what)
            return 500
        return None

    world.journal.before = refuse_the_admins
    run = world.run()
    world.journal.before = None

    assert (run.status, "powerview: created acme/roof" in run.logged) == (2, True)
    (source,) = world.grafana.get("/api/datasources")
    assert (source["uid"], source["isDefault"]) == (ACME["data_source_uid"], False)
    assert world.run().status == 0


@QUICKLY
def test_nothing_is_put_into_the_admins_folder_while_it_cannot_be_closed(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.grafana.call("POST", "/api/folders", {"uid": "elsewhere", "title": "elsewhere"})
    master = {k: v for k, v in world.grafana.dashboard("powerview-master").items() if k != "id"}
    body = {"dashboard": master, "folderUid": "elsewhere", "overwrite": True, "message": "moved"}
    world.grafana.call("POST", "/api/dashboards/db", body)
    everybody = {"items": [{"role": "Viewer", "permission": 1}]}
    world.grafana.call("POST", "/api/folders/powerview-admin/permissions", everybody)
    attempts = []
    world.journal.before = lambda _, what: attempts.append(what) or 500
    run = world.run()
    world.journal.before = None

    assert (run.status, attempts) == (2, ["grafana POST /api/folders/powerview-admin/permissions"])
    assert world.run().logged == ["powerview: repaired admin: permissions", "powerview: repaired admin/Master: place"]


@QUICKLY
def test_two_runs_at_once_leave_what_the_next_one_finishes(world: World):
    world.campaigns("acme/roof", "globex/roof")

    runs = [world.start("create_grafana_resources") for _ in range(2)]
    for run in runs:
        output, _ = run.communicate(timeout=LONG)
        assert finished(run.returncode, output).status in (0, 2), output

    assert world.run().status == 0
    assert world.to_do() == []
    tree_now = {"acme": ["roof"], "globex": ["roof"]}
    assert world.state() == {**expected(world, tree_now), **expected_in_influx(world, list(tree_now))}


@QUICKLY
@pytest.mark.parametrize(
    ("what", "status", "task"),
    [
        ("POST /api/teams", 409, ""),
        ("POST /api/folders", 409, "Create the folder"),
        ("POST /api/folders", 412, "Create the folder"),
        ("POST /api/dashboards/db", 409, "Create the dashboard"),
        ("POST /api/dashboards/db", 412, "Create the dashboard"),
        ("POST /api/datasources", 409, "Change the data source"),
    ],
)
def test_an_answer_that_something_is_there_is_believed_only_if_it_is(world: World, what, status, task):
    world.make_everything()
    world.campaigns("acme/roof", "globex/roof")
    refused = []

    def refuse_once(_number, call):
        if call.endswith(what) and not refused:
            refused.append(call)
            return status
        return None

    world.journal.before = refuse_once
    run = world.run()
    world.journal.before = None

    assert (run.status, len(refused)) == (2, 1)
    assert run.logged[:2] == ["powerview: created globex", "powerview: created globex/roof"]
    assert run.logged[2].startswith("powerview: not finished: acme: Grafana")
    assert task in run.logged[2]
    assert world.run().status == 0
    assert world.to_do() == []


@QUICKLY_ON_CONTRACT
def test_a_dashboard_that_grafana_put_elsewhere_is_reported_and_moved_by_the_next_run(world: World):
    world.make_everything()
    world.campaigns("acme/roof")
    real = world.to_grafana._forward

    def forward(upstream, method, target, headers, body):
        if target != "/api/dashboards/db":
            return real(upstream, method, target, headers, body)
        (status, kind, answer), call = real(upstream, method, target, headers, body)
        return (status, kind, json.dumps({**json.loads(answer), "folderUid": ""}).encode()), call

    world.to_grafana._forward = forward
    run = world.run()
    world.to_grafana._forward = real

    uid = ACME["campaigns"][0]["uid"]
    assert (run.status, run.logged) == (
        2,
        [
            f"powerview: not finished: acme: Grafana put dashboard {uid} into another folder (the root) than its "
            f"client's: the next run moves it."
        ],
    )


@QUICKLY
@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/api/teams"), ("POST", "/api/datasources"), ("GET", "/api/user/orgs"), ("GET", "/api/datasources")],
)
def test_half_an_answer_is_reported_and_the_next_run_ends_well(world: World, method, target):
    world.campaigns("acme/roof")
    real = world.to_grafana._forward

    def forward(upstream, how, where, headers, body):
        (status, kind, answer), call = real(upstream, how, where, headers, body)
        return (status, kind, b'{"half": 1}' if (how, where) == (method, target) else answer), call

    world.to_grafana._forward = forward
    run = world.run()
    world.to_grafana._forward = real

    assert run.status == 2
    assert "a server's answer is not what it should be" in run.logged[-1]
    ends_well(world)


@QUICKLY_ON_CONTRACT
def test_a_client_that_floods_its_folder_keeps_no_other_waiting(world: World, monkeypatch):
    monkeypatch.setattr("powerview_grafana.dashboards.NEW_IN_A_RUN", 3)
    world.make_everything()
    world.campaigns(*(f"acme/flood{number}" for number in range(8)), "globex/roof")

    runs = [world.run() for _ in range(4)]

    waits = [line for run in runs for line in run.logged if "wait" in line]
    assert waits == [f"powerview: acme: {number} more new campaigns wait for the next run" for number in (5, 2)]
    assert "powerview: created globex/roof" in runs[0].logged
    assert [(run.status, sum("created acme/" in line for line in run.logged)) for run in runs] == [
        (0, 3), (0, 3), (0, 2), (0, 0),
    ]  # fmt: skip


def ends_well(world: World) -> None:
    """The next run does what the first should have done, and there is nothing left over."""
    assert world.run().status == 0
    assert world.to_do() == []
    assert world.state() == {**expected(world, {"acme": ["roof"]}), **expected_in_influx(world, ["acme"])}


def nothing_behind_an_open_folder(world: World, run) -> None:
    """A run that could not close the folder must have put nothing into it."""
    hits = world.grafana.get("/api/search?limit=5000")
    if any(h["uid"] == ACME["folder_uid"] for h in hits):
        rows = world.grafana.get(f"/api/folders/{ACME['folder_uid']}/permissions")
        is_open = any(row.get("role") for row in rows)
        inside = [h for h in hits if h.get("folderUid") == ACME["folder_uid"]]
        assert not (is_open and inside), run.output
