"""From a new folder to a dashboard: the playbooks, run as a person or the hook runs them."""

from __future__ import annotations

pytest_plugins = ("provisioning_world",)


def test_a_new_campaign_gets_all_that_its_client_needs(world):
    world.campaigns("acme/roof")
    run = world.run()
    print(run.output)
    print("\n".join(world.journal.writes))
    assert run.status == 0
    again = world.run()
    print(again.output)
    assert (again.changed, world.journal.writes) == (0, [])
