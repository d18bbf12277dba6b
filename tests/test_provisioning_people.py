"""Putting people into teams: how a login is written, and who is a client's already."""

from __future__ import annotations

from grafana_automation import tree
from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World

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

    assert ahead.told == ["powerview: would put ann@acme.example into acme, with a new login"]
    assert (run.status, run.told) == (0, ["powerview: put ann@acme.example into acme, with a new login"])
    assert (again.changed, again.told, world.journal.writes) == (0, [], [])
    ann = world.person("ann@acme.example")
    assert sorted(hit["title"] for hit in ann.get("/api/search")) == ["acme", "roof"]


@QUICKLY_ON_CONTRACT
def test_a_new_login_that_is_not_found_is_told(world: World):
    world.campaigns("acme/roof")
    world.make_everything()
    world.journal.before_read = lambda what: 404 if "/api/users/lookup" in what else None

    run = add(world, USER="ann", USER_PASSWORD="of-one-person")

    assert (run.status, run.told) == (
        2,
        [
            f"powerview: Grafana at {world.env['GRAFANA_URL']} (GRAFANA_URL) does not find the login 'ann', which it "
            f"says it has: nobody was put into acme. Look for it there (Administration, Users), and run it again."
        ],
    )
    assert world.journal.writes == ["grafana POST /api/admin/users → 200"]


@QUICKLY
def test_a_person_of_another_client_is_told_before_anything_is_done(world: World):
    world.campaigns("acme/roof", "globex/roof")
    world.make_everything()
    world.add_person("bob", "globex")

    ahead = add(world, "--check", USER="bob")
    assert world.journal.writes == []
    run = add(world, USER="bob")

    note = "powerview: note: bob is in the team of globex too, and sees what that may see"
    assert (ahead.told, run.told) == (
        ["powerview: would put bob into acme", note],
        ["powerview: put bob into acme", note],
    )


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
    assert missing.told == ["powerview: acme has no team in Grafana yet: run create_grafana_resources.yml first."]
    made = next(i for i, t in teams.items() if t["name"] == "acme")
    folder = world.contract.orgs[1].folders[tree.describe("acme", [])["folder_uid"]]
    assert [row["teamId"] for row in folder["rows"]] == [made]
