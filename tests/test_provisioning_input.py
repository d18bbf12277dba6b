"""Names that somebody else chose, settings from `.env` alone, and where secrets are not."""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from pathlib import Path

import pytest
from grafana_automation import FOLDER
from provisioning_world import PASSWORD, QUICKLY, World, expected, expected_in_influx

pytest_plugins = ("provisioning_fixture",)

RULE = (
    "has a name that is not allowed: names are letters, digits, `_`, `.` and `-`, begin with a letter or digit, and "
    "have 64 characters at most. Rename the folder."
)
HOSTILE = [
    b"$(touch pwned)",
    b"-rf",
    b".hidden",
    b"a b",
    b"a\nb",
    b"a\"b'c",
    b"a\\b",
    b"acme\n",
    b"n" * 65,
    b"{{ lookup('pipe','touch pwned') }}",
    b"{% raw %}",
    b"\xff\xfe",
]


@QUICKLY
def test_hostile_names_are_reported_and_appear_in_no_request(world: World):
    world.make_everything()  # the admins' things: this is about what comes from the tree
    for name in HOSTILE:
        for folder in (os.fsencode(world.data) + b"/" + name + b"/roof", os.fsencode(world.data) + b"/acme/" + name):
            os.makedirs(folder)
    world.campaigns("acme/roof", "Admin/roof", "powerview/roof", "acme/parsed", "acme/error", "acme/powerview_events")
    (world.data / "linked").symlink_to(world.data / "acme")
    (world.data / "acme" / "linked").symlink_to(world.data / "acme" / "roof")
    (world.data / "file").write_text("")

    run = world.run_ansible()

    shown = sorted(os.fsdecode(name) for name in HOSTILE)
    of_campaigns = [f"{f'acme/{name}'!r}: the campaign's folder {name!r} {RULE}" for name in shown] + [
        *(
            f"'acme/{name}': a campaign cannot be called {name}: PowerView keeps its files under that name. "
            "Rename the folder."
            for name in ("error", "parsed")
        ),
        "'acme/powerview_events': a campaign cannot be called powerview_events: restarts are kept under that name. "
        "Rename the folder.",
    ]
    of_clients = [f"{name!r}: the client's folder {name!r} {RULE}" for name in shown] + [
        f"{name!r}: a client cannot be called {name}: that name is reserved for the admins. Rename the folder."
        for name in ("Admin", "powerview")
    ]
    refused = [line for line in run.logged if line.startswith("powerview: refused ")]
    assert sorted(refused) == sorted(f"powerview: refused {line}" for line in of_campaigns + of_clients)
    assert run.logged[len(refused) :] == ["powerview: created acme", "powerview: created acme/roof"]
    assert run.status == 0
    assert world.state() == {**expected(world, {"acme": ["roof"]}), **expected_in_influx(world, ["acme"])}
    assert not list(world.home.rglob("pwned"))
    assert not (FOLDER.parent / "pwned").exists()
    sent = "\n".join(f"{call.target} {call.body}" for call in world.journal.calls)
    assert [word for word in ("pwned", "/hidden", "parsed", "powerview_events", "nnnn", "linked") if word in sent] == []


@QUICKLY
@pytest.mark.parametrize(
    "name",
    ["{{ lookup('pipe','touch pwned') }}", *(pytest.param(n, marks=pytest.mark.slow) for n in ("acme\n", "\udcff"))],
    ids=ascii,
)
def test_a_hostile_name_in_the_environment_is_refused_and_fails_the_run(world: World, name):
    for variables in ({"POWERVIEW_CLIENT": name}, {"POWERVIEW_CLIENT": "acme", "POWERVIEW_CAMPAIGN": name}):
        run = world.run_ansible(**variables)

        assert (run.status, world.journal.calls) == (2, [])
        assert run.logged[0].startswith(f"powerview: refused {'/'.join(variables.values())!r}: ")
        assert world.grafana.get("/api/teams/search")["teams"] == []
        assert not list(world.home.rglob("pwned"))


@pytest.mark.parametrize("world", ["12.4"], indirect=True)
@pytest.mark.parametrize(
    "playbook", ["add_grafana_user_to_team", "remove_grafana_user_from_team", "delete_grafana_resources"]
)
def test_a_playbook_about_one_client_does_nothing_for_none(world: World, playbook):
    run = world.run(playbook=playbook, POWERVIEW_USER="ann", POWERVIEW_USER_PASSWORD="of-one-person")

    assert (run.status, run.logged) == (2, ["powerview: POWERVIEW_CLIENT is not set: it names the client."])
    assert world.journal.writes == []


@QUICKLY
def test_settings_come_from_env_alone_and_the_folder_does_not_matter(world: World, tmp_path):
    world.make_everything()
    world.campaigns("acme/roof")
    clone = tmp_path / "clone"
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("grafana-automation", "powerview"):
        shutil.copytree(FOLDER.parent / part, clone / part, ignore=ignore)
    lines = [f"export {name}='{value}'  # of this test" for name, value in world.env.items()]
    (clone / ".env").write_text("\r\n".join(lines))
    world.env.clear()

    run = world.run_ansible(playbooks=clone / "grafana-automation" / "playbooks")

    assert run.logged == ["powerview: created acme", "powerview: created acme/roof"], run.output


@QUICKLY
@pytest.mark.parametrize("fails", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["done", "failed"])
def test_no_secret_is_in_any_output_file_or_argument_list(world: World, tmp_path, fails):
    world.make_everything()
    world.campaigns("acme/roof")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    seen = []

    def look(_number, _what) -> int | None:
        written = [path for folder in (world.home, temporary) for path in folder.rglob("*") if path.is_file()]
        seen.extend(f"{path}" for path in written if holds(path, secrets(world)))
        seen.extend(f"{path}" for path in Path("/proc").glob("[0-9]*/cmdline") if holds(path, secrets(world)))
        return 500 if fails and look.calls() else None

    look.calls = lambda: len(world.journal.writes) == 5  # the data source, its token in the body
    world.journal.before = look
    run = world.run_ansible("-vvvvv", TMPDIR=str(temporary), ANSIBLE_REMOTE_TEMP=str(temporary))

    assert run.status == (2 if fails else 0)
    assert seen == []
    assert [secret for secret in secrets(world) if secret in run.output] == []
    look(0, "")  # and nothing is left behind
    assert seen == []
    assert [s for s in secrets(world) if s in json.dumps(world.grafana.get("/api/datasources"))] == []


@QUICKLY
def test_a_new_persons_password_is_in_no_output(world: World):
    world.campaigns("acme/roof")
    world.make_everything()

    run = world.run_ansible(
        "-vvvvv", playbook="add_grafana_user_to_team", POWERVIEW_CLIENT="acme", POWERVIEW_USER="ann",
        POWERVIEW_USER_PASSWORD="known to ann alone",
    )  # fmt: skip

    assert run.status == 0
    assert "known to ann alone" not in run.output
    assert [secret for secret in secrets(world) if secret in run.output] == []


def secrets(world: World) -> list[str]:
    """All that nobody may read: the password, as it is and as it travels, the admin token, and the tokens made."""
    made = []
    if world.contract:
        sources = world.contract.orgs[1].data_sources.values()
        made = [s["secureJsonData"]["token"] for s in sources if s["secureJsonData"].get("token")]
    return [PASSWORD, b64encode(f"admin:{PASSWORD}".encode()).decode(), world.influx.token, *made]


def holds(path: Path, words: list[str]) -> bool:
    """Whether a file holds one of the words."""
    try:
        content = path.read_bytes()
    except OSError:  # it is gone already
        return False
    return any(word.encode() in content for word in words)
