"""What `check` finds in a Grafana that the playbooks have provisioned: the contract server, and a real one if named."""

from __future__ import annotations

from pathlib import Path

from provisioning_world import QUICKLY, QUICKLY_ON_CONTRACT, World

from powerview.monitoring.grafana import grafana
from powerview.settings import load_settings

pytest_plugins = ("provisioning_fixture",)


def lines(world: World) -> dict[str, str]:
    """Name → line."""
    return {item.name: item.line() for item in grafana(load_settings(world.env, Path("/nonexistent")))}


@QUICKLY
def test_a_provisioned_grafana_is_well_and_nothing_is_written_to_it(world: World):
    world.make_everything()
    loggers = {"uid": "powerview-loggers", "title": "Loggers", "panels": []}
    body = {"dashboard": loggers, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)

    before = list(world.journal.writes)
    found = lines(world)
    assert {name: line[0] for name, line in found.items()} == dict.fromkeys(
        ("Grafana", "Grafana's login", "Master", "Loggers", "Grafana reads InfluxDB"), "✓"
    ), found
    assert f"{world.own_login()} can log in" in found["Grafana's login"]
    assert world.journal.writes == before


@QUICKLY_ON_CONTRACT  # a real Grafana's lock lasts five minutes
def test_a_stranger_who_locks_the_admins_login_raises_no_alarm(world: World):
    world.make_everything()
    world.contract.users[0].locked = True
    assert lines(world)["Grafana's login"][0] == "✓"
