"""What SECURITY.md promises, where no other test shows it, and that the tests it names exist."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from faults import proxy, trees
from faults.catalog import load_all
from faults.process_faults import start_hook
from faults.site import PROJECT, new_site
from faults.truth import Upload
from waiting import LONG, wait_until

SECRET = "a-token-that-must-not-be-seen-anywhere"


@pytest.fixture
def site(influx):
    """A site with some readable files, and some that go to error/."""
    with new_site(influx) as site:
        site.put(*trees.fleet(loggers=1), *trees.unreadable())
        yield site


def test_security_md_names_tests_that_exist():
    text = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    tests = {name for path in (PROJECT / "tests").rglob("test_*.py") for name in _functions(path)}
    known = tests | {f"{one.group}: {one.name}" for one in load_all()}
    for row in rows:
        named = re.findall(r"`([^`]+)`", row.split(" | ")[-1])
        assert named, f"no test is named: {row}"
        assert not set(named) - known, f"these tests do not exist: {set(named) - known}"


def _functions(path: Path) -> list[str]:
    return re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_no_program_builds_a_command_from_text():
    run_text = re.compile(r"shell=True|os\.system|os\.popen|(?<![\w.])(eval|exec)\(|pickle\.load|yaml\.load\(")
    programs = [PROJECT / "tsv_parser.py", *sorted((PROJECT / "powerview").glob("*.py"))]
    assert [p.name for p in programs if run_text.search(p.read_text(encoding="utf-8"))] == []
    hook = (PROJECT / "on-upload.sh").read_text(encoding="utf-8")
    code = "\n".join(line for line in hook.splitlines() if not line.lstrip().startswith("#"))
    assert re.findall(r"\beval\b|\bsource\b|bash -c|sh -c", code) == []


def test_a_file_can_only_write_into_the_bucket_of_its_client(site):
    # Serials and labels of another client's logger, in a folder of one's own.
    other = Upload("company1", "campaign0", "02001000", "T302_251001_031700.tsv", site.uploads[0].data)
    site.put(other)
    site.clean_run()
    judged = site.judge()
    assert (judged.lost, judged.wrong, judged.unfinished) == (0, 0, 0), judged


FAILURES = {
    "a token that is not known": proxy.hand_on,
    "a server that fails": proxy.refuse(500, "internal error", "engine: out of luck"),
    "an answer that makes no sense": proxy.refuse(200, "ok", "<html>"),
    "a refusal of the rights": proxy.refuse(403, "forbidden", "insufficient permissions"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_secret_is_in_what_a_failing_run_leaves_behind(site, failure):
    site.proxy.plan = FAILURES[failure]
    passwords = {"INFLUXDB_PASSWORD": SECRET, "GRAFANA_PASSWORD": SECRET}
    ended = site.parse(INFLUXDB_ADMIN_TOKEN=SECRET, **passwords)
    assert ended.status == 75, ended
    left = {"stdout": ended.out, "stderr": ended.err}
    left |= {str(p): p.read_text(errors="replace") for p in site.folder.rglob("*") if p.is_file()}
    assert [name for name, text in left.items() if SECRET in text] == []


def test_a_token_that_cannot_be_a_header_is_not_repeated(site):
    ended = site.parse(INFLUXDB_ADMIN_TOKEN=f"{SECRET}\nX-Other: header")
    assert ended.status == 78, ended
    assert "INFLUXDB_ADMIN_TOKEN" in ended.err
    assert SECRET not in ended.err + ended.out


@pytest.mark.slow
def test_no_secret_is_in_an_argument_list(site):
    site.proxy.plan = proxy.answer_late(0.2)
    token = site.server.token
    sweep = start_hook(site, "sweep")
    seen: set[str] = set()
    wait_until(lambda: seen.update(_argument_lists(site)) or sweep.poll() is not None, LONG, lambda: "no end")
    assert any("tsv_parser.py" in words for words in seen), seen
    assert [words for words in seen if token in words] == []


def _argument_lists(site) -> list[str]:
    # Those of the processes whose environment names this site.
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(site.state) in (folder / "environ").read_bytes():
                found.append(os.fsdecode((folder / "cmdline").read_bytes()))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def test_logs_and_state_are_for_user_and_group_alone(site):
    site.put(Upload("admin", "campaign0", "02001000", "refused.tsv", b""))  # what was logged of it is remembered
    site.proxy.down()
    site.parse(before=("bash", "-c", 'umask 0; exec "$@"', "umask"))
    site.proxy.up()
    site.parse(before=("bash", "-c", 'umask 0; exec "$@"', "umask"))
    files = [p for folder in (site.logs, site.state) for p in folder.rglob("*") if p.is_file()]
    assert {p.name for p in files} >= {"uploads.log", "uploads.jsonl", "parser.lock", "reported.json"}
    assert [p.name for p in files if p.stat().st_mode & stat.S_IWOTH] == []
    assert [p.name for p in files if p.parent == site.logs and p.stat().st_mode & stat.S_IROTH] == []


def test_every_dependency_is_pinned():
    for name in ("requirements.txt", "requirements-export.txt", "requirements-report.txt", "tests/requirements.txt"):
        lines = (PROJECT / name).read_text(encoding="utf-8").splitlines()
        loose = [
            line
            for line in lines
            if line and not re.match(r"#|-r ../requirements-export.txt$|[\w.\[\]-]+==[\w.!]+( *;.*)?$", line)
        ]
        assert loose == [], f"{name}: {loose}"


def test_the_repository_holds_no_env_file_and_no_key():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in tracked if re.search(r"(^|/)\.env$|\.(pem|key|p12)$|id_rsa", name)] == []
