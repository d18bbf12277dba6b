"""Putting people into teams: how a login is written, and who is a client's already."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
from pathlib import Path

import pytest
from grafana_automation import tree
from provisioning_by_hand import uid_of
from provisioning_world import ON_CONTRACT, PLAYBOOKS, QUICKLY, QUICKLY_ON_CONTRACT, World
from waiting import LONG, wait_until

pytest_plugins = ("provisioning_fixture",)


def add(world: World, *options: str, **variables: str):
    """Run the playbook for the client acme."""
    variables = {f"POWERVIEW_{name}": value for name, value in variables.items()}
    return world.run(*options, playbook="add_grafana_user_to_team", POWERVIEW_CLIENT="acme", **variables)


@QUICKLY
def test_a_login_is_written_in_lower_case_as_grafana_looks_for_it(world: World):
    world.campaigns("acme/roof")
    world.make_everything()

    ahead = add(world, "--check", USER="Ann@Acme.example", USER_PASSWORD="of-one-person")
    run = add(world, USER="Ann@Acme.example", USER_PASSWORD="of-one-person")
    again = add(world, USER="ANN@acme.example")

    assert ahead.logged == ["powerview: would put ann@acme.example into acme, with a new login"]
    assert (run.status, run.logged) == (0, ["powerview: put ann@acme.example into acme, with a new login"])
    assert (again.changed, again.logged, world.journal.writes) == (0, [], [])
    ann = world.person("ann@acme.example")
    assert sorted(hit["title"] for hit in ann.get("/api/search")) == ["Overview", "acme", "roof"]


@QUICKLY_ON_CONTRACT
def test_a_new_login_that_is_not_found_is_reported(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.journal.before_read = lambda what: 404 if "/api/users/lookup" in what else None

    run = add(world, USER="ann", USER_PASSWORD="of-one-person")

    assert (run.status, run.logged) == (
        2,
        [
            f"powerview: Grafana at {world.env['GRAFANA_URL']} (GRAFANA_URL) does not find the login 'ann', which it "
            f"says it has: nobody was put into acme. Look for it there (Administration, Users), and run it again."
        ],
    )
    assert world.journal.writes == ["grafana POST /api/admin/users → 200"]


@QUICKLY
def test_a_person_of_another_client_is_reported_before_anything_is_done(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    world.add_person("bob", "globex")

    ahead = add(world, "--check", USER="bob")
    assert world.journal.writes == []
    run = add(world, USER="bob")

    note = "powerview: note: bob is in the team of globex too, and sees what that may see"
    assert (ahead.logged, run.logged) == (
        ["powerview: would put bob into acme", note],
        ["powerview: put bob into acme", note],
    )


@QUICKLY
def test_somebody_who_took_the_e_mail_of_a_new_person_is_named(world: World):
    """Grafana lets everybody change the e-mail of their own: a person of globex expects that ann is let in soon."""
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    mallory = {"login": "mallory", "email": "ann@acme.example", "password": "of-one-person", "OrgId": 1}
    number = world.grafana.call("POST", "/api/admin/users", mallory)["id"]
    (team,) = world.grafana.get("/api/teams/search?name=globex")["teams"]
    world.grafana.call("POST", f"/api/teams/{team['id']}/members", {"userId": number})

    ahead = add(world, "--check", USER="ann@acme.example", USER_PASSWORD="of-one-person")

    assert ahead.logged == [
        "powerview: would put ann@acme.example into acme",
        "powerview: note: ann@acme.example has a login already: POWERVIEW_USER_PASSWORD was not used",
        "powerview: note: ann@acme.example is the e-mail of the login mallory",
        "powerview: note: ann@acme.example is in the team of globex too, and sees what that may see",
    ]
    assert add(world, USER="mallory").logged[1:] == [
        "powerview: note: mallory is in the team of globex too, and sees what that may see"
    ]


@QUICKLY_ON_CONTRACT
def test_a_team_whose_name_differs_in_case_is_another_clients(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.contract.compares_without_case = True
    teams = world.contract.orgs[1].teams
    ((ours, team),) = teams.items()
    other = world.contract.new_id()
    teams.clear()
    teams.update({other: {"uid": "other", "name": "Acme", "members": set()}, ours: team})
    world.add_person("bob")

    put = add(world, USER="bob")
    del teams[ours]
    missing = add(world, USER="bob")
    again = world.run()

    assert (put.status, missing.status, again.status) == (0, 2, 0)
    assert teams[other]["members"] == set()
    assert missing.logged == ["powerview: acme has no team in Grafana yet: run create_grafana_resources.yml first."]
    made = next(i for i, t in teams.items() if t["name"] == "acme")
    folder = world.contract.orgs[1].folders[tree.describe("acme", [])["folder_uid"]]
    assert [row["teamId"] for row in folder["rows"]] == [made]


# ── a team that somebody renamed ─────────────────────────────────────────────────────────────────────────────────────


def rename_team(world: World, name: str, new_name: str) -> int:
    """What an admin does to a team; its number."""
    (team,) = world.grafana.get(f"/api/teams/search?name={name}")["teams"]
    world.grafana.call("PUT", f"/api/teams/{team['id']}", {"name": new_name})
    return team["id"]


def may_see(world: World, client: str) -> list[int]:
    """The teams that may see a client's folder."""
    rows = world.grafana.get(f"/api/folders/{uid_of('f', client)}/permissions")
    return [row["teamId"] for row in rows]


@QUICKLY
def test_a_team_that_an_admin_renames_stays_the_clients(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    ann = world.add_person("ann", "acme")
    number = rename_team(world, "acme", "People of ACME")
    world.campaigns("acme/hall")

    run = world.run()
    put = add(world, USER="bob", USER_PASSWORD="of-one-person")

    assert (run.status, run.logged, put.logged) == (
        0, ["powerview: created acme/hall"], ["powerview: put bob into acme, with a new login"],
    )  # fmt: skip
    assert may_see(world, "acme") == [number]
    for person in (ann, world.person("bob")):
        assert sorted(hit["title"] for hit in person.get("/api/search")) == ["Overview", "acme", "hall", "roof"]
    gone = world.run(playbook="delete_grafana_resources", POWERVIEW_CLIENT="acme", POWERVIEW_CONFIRM="acme")
    assert gone.logged[0].endswith(" data source, team")
    assert [team["name"] for team in world.grafana.get("/api/teams/search")["teams"]] == ["globex"]


@QUICKLY
def test_a_new_team_that_is_called_as_the_renamed_one_was_sees_nothing(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    number = rename_team(world, "acme", "People of ACME")
    world.grafana.call("POST", "/api/teams", {"name": "acme"})

    run = world.run()

    assert (run.changed, may_see(world, "acme")) == (0, [number])


@QUICKLY
@pytest.mark.parametrize("renamed", [False, True])
def test_another_clients_team_on_the_folder_is_no_reason_to_let_it_in(world: World, renamed: bool):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    (acme,) = may_see(world, "acme")
    globex = rename_team(world, "globex", "People of Globex") if renamed else may_see(world, "globex")[0]
    rows = {"items": [{"teamId": globex, "permission": 1}]}
    world.grafana.call("POST", f"/api/folders/{uid_of('f', 'acme')}/permissions", rows)

    run = world.run(POWERVIEW_CLIENT="acme")

    assert run.logged == ["powerview: repaired acme: permissions"]
    assert (may_see(world, "acme"), may_see(world, "globex")) == ([acme], [globex])


@QUICKLY
def test_another_clients_team_that_its_own_folder_no_longer_names_is_that_clients_still(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    (acme,), (globex,) = may_see(world, "acme"), may_see(world, "globex")
    for client, rows in (("acme", [{"teamId": globex, "permission": 1}]), ("globex", [])):
        address = f"/api/folders/{uid_of('f', client)}/permissions"
        world.grafana.call("POST", address, {"items": rows})

    run = world.run()

    assert run.logged == ["powerview: repaired acme: permissions", "powerview: repaired globex: permissions"]
    assert (may_see(world, "acme"), may_see(world, "globex")) == ([acme], [globex])


@ON_CONTRACT
def test_two_clients_whose_names_differ_by_case_are_two(world: World):
    world.campaigns("acme/roof", "Acme/roof")

    run, again = world.run(), world.run()

    made = ["created Acme", "created Acme/roof", "created acme", "created acme/roof"]
    assert run.logged[1:] == [f"powerview: {line}" for line in made]
    assert (again.status, again.changed, world.journal.writes) == (0, 0, [])
    assert may_see(world, "acme") != may_see(world, "Acme")


@QUICKLY_ON_CONTRACT
def test_where_grafanas_database_does_not_tell_them_apart_the_second_is_reported(world: World):
    world.make_everything()
    world.contract.compares_without_case = world.contract.keeps_names_without_case = True
    world.campaigns("acme/roof", "Acme/roof")

    run = world.run()

    assert (run.status, run.logged) == (
        2,
        [
            "powerview: created Acme",
            "powerview: created Acme/roof",
            "powerview: not finished: acme: Grafana's database holds the team Acme for the same as acme, because it "
            "does not tell capital letters from small ones: rename one of the two clients' folders.",
        ],
    )


# ── taking a person out ──────────────────────────────────────────────────────────────────────────────────────────────


def remove(world: World, *options: str, **variables: str):
    """Run the playbook for the client acme."""
    variables = {f"POWERVIEW_{name}": value for name, value in variables.items()}
    return world.run(*options, playbook="remove_grafana_user_from_team", POWERVIEW_CLIENT="acme", **variables)


@QUICKLY
def test_a_person_is_taken_out_of_a_team_and_keeps_the_login(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    ann = world.add_person("ann", "acme")
    world.grafana.call("POST", f"/api/teams/{may_see(world, 'globex')[0]}/members", {"userId": world.user_id("ann")})

    ahead = remove(world, "--check", USER="Ann")
    assert world.journal.writes == []
    run = remove(world, USER="Ann")
    again = remove(world, USER="ann")

    note = "powerview: note: ann is in the team of globex too, and sees what that may see"
    assert ahead.logged == ["powerview: would take ann out of acme", note]
    assert (run.status, run.logged) == (0, ["powerview: took ann out of acme", note])
    assert (again.changed, again.logged, world.journal.writes) == (0, [note], [])
    assert sorted(hit["title"] for hit in ann.get("/api/search")) == ["Overview", "globex", "roof"]


@QUICKLY
def test_a_person_is_taken_out_of_an_organisation(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()
    world.campaigns("acme/roof")
    assert world.run().status == 0
    assert add(world, USER="ann", USER_PASSWORD="of-one-person").status == 0
    acme = world.org("acme")
    assert [hit["title"] for hit in world.person("ann", acme).get("/api/search")] != []

    run, again = remove(world, USER="ann"), remove(world, USER="ann")

    assert (run.logged, again.logged) == (["powerview: took ann out of acme"], [])
    # Grafana remembers for some seconds whom it has let in.
    wait_until(
        lambda: world.person("ann", acme).call("GET", "/api/datasources", ok=(200, 401, 403)) in (401, 403), LONG,
        lambda: "ann is still let in",
    )  # fmt: skip
    assert add(world, USER="ann").logged == ["powerview: put ann into acme"]


@QUICKLY
def test_nobody_is_put_into_an_organisation_that_has_put_our_login_out(world: World):
    world.env["POWERVIEW_ISOLATION"] = "org"
    world.make_everything()
    world.campaigns("acme/roof")
    assert world.run().status == 0
    acme = world.org("acme")
    world.grafana.call("DELETE", f"/api/orgs/{acme}/users/{world.user_id(world.own_login())}")

    refused = add(world, USER="ann", USER_PASSWORD="of-one-person")

    assert refused.logged == ["powerview: acme has no team in Grafana yet: run create_grafana_resources.yml first."]
    assert (refused.status, world.journal.writes) == (2, [])
    assert world.run().status == 0
    assert add(world, USER="ann", USER_PASSWORD="of-one-person").status == 0


@QUICKLY
def test_who_has_no_login_or_sees_more_than_a_team_is_reported(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.add_person("boss", "acme")
    world.grafana.call("PATCH", f"/api/orgs/1/users/{world.user_id('boss')}", {"role": "Editor"})

    assert remove(world, USER="nobody").logged == [
        "powerview: there is no login 'nobody': nobody was taken out of acme."
    ]
    assert remove(world, USER="boss").logged == [
        "powerview: took boss out of acme",
        "powerview: note: boss is Editor, and goes on seeing more than a client does",
    ]


@QUICKLY
def test_a_team_that_takes_nobody_is_reported(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.add_person("ann")
    world.journal.before = lambda _number, what: 400 if what.endswith("/members") else None

    run = add(world, USER="ann")

    assert (run.status, run.logged) == (
        2,
        [
            f'powerview: Grafana at {world.env["GRAFANA_URL"]} (GRAFANA_URL) refused the task "Put the person into the '
            f'team" (400): a fault of the test.'
        ],
    )


@QUICKLY
def test_a_person_whose_role_is_none_becomes_a_viewer(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    ann = world.add_person("ann")
    world.grafana.call("PATCH", f"/api/orgs/1/users/{world.user_id('ann')}", {"role": "None"})

    run = add(world, USER="ann")

    assert (run.status, run.logged) == (0, ["powerview: put ann into acme"])
    assert ann.get("/api/user/orgs")[0]["role"] == "Viewer"
    assert sorted(hit["title"] for hit in ann.get("/api/search")) == ["Overview", "acme", "roof"]


@QUICKLY_ON_CONTRACT
def test_a_new_logins_password_is_asked_for_at_a_terminal(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    environment = {**world.env, "PATH": os.environ["PATH"], "HOME": str(world.home), "TERM": "dumb"}
    environment |= {"POWERVIEW_CLIENT": "acme", "POWERVIEW_USER": "ann"}
    program = Path(sys.executable).parent / "ansible-playbook"

    child, terminal = pty.fork()
    if not child:
        os.execve(program, [program, PLAYBOOKS / "add_grafana_user_to_team.yml"], environment)
    shown = read_until(terminal, b"Password for the new login ann: ")
    while not ended(child):
        # Ansible throws away what was typed before it was ready: then it asks still, and shows nothing of it.
        if not termios.tcgetattr(terminal)[3] & termios.ECHO:
            os.write(terminal, b"of-one-person\n")
        shown += read_for(terminal, 2)
    os.close(terminal)

    assert ended(child) == [0], shown
    assert b"of-one-person" not in shown
    assert sorted(hit["title"] for hit in world.person("ann").get("/api/search")) == ["Overview", "acme", "roof"]


def ended(child: int, statuses: dict = {}) -> list[int]:  # noqa: B006, a child is asked once
    """The exit status of a program that has ended."""
    if child not in statuses:
        number, status = os.waitpid(child, os.WNOHANG)
        if not number:
            return []
        statuses[child] = os.waitstatus_to_exitcode(status)
    return [statuses[child]]


def read_until(terminal: int, words: bytes) -> bytes:
    """What a terminal shows until these words."""
    shown = b""
    while words not in shown:
        more = read_for(terminal, 60)
        assert more, shown
        shown += more
    return shown


def read_for(terminal: int, seconds: float) -> bytes:
    """What a terminal shows next, nothing if that takes longer or its program has ended."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    try:
        return os.read(terminal, 4096) if ready else b""
    except OSError:  # the program has ended
        return b""
