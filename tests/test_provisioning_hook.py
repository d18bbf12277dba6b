"""From a sweep of the hook to provisioning.log: the real playbook, run as the timer runs it."""

from __future__ import annotations

import shutil

from grafana_automation import FOLDER, dashboard
from hook_site import Installation
from provisioning_world import QUICKLY_ON_CONTRACT, World
from waiting import LONG

pytest_plugins = ("provisioning_fixture",)


@QUICKLY_ON_CONTRACT
def test_what_a_run_did_and_what_it_could_not_is_in_the_log(world: World, tmp_path):
    site = Installation(tmp_path / "site")
    site.real_programs()
    shutil.copytree(FOLDER, site.home / FOLDER.name, ignore=shutil.ignore_patterns("__pycache__"))
    site.set(**{name: f"'{value}'" for name, value in world.env.items()})
    world.make_everything()
    world.campaigns("acme/roof", "bad name/roof")

    made = site.start("sweep").wait(LONG)
    world.contract.save_as_v2("powerview-master")
    world.campaigns("acme/hall")
    refused = site.start("sweep").wait(LONG)

    log = [line.split(" ", 2)[2] for line in (site.logs / "provisioning.log").read_text().splitlines()]
    assert (made, refused) == (0, 2)
    assert log[0].startswith("refused 'bad name': the client's folder 'bad name' has a name that is not allowed")
    assert log[1:3] == ["created acme", "created acme/roof"]
    assert log[3].startswith(f"FAILED 2: the Master {dashboard.IN_V2}. {dashboard.SAVE_AS_CLASSIC} (ansible-playbook ")
    assert len(log) == 4
