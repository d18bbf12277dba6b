"""`python -m powerview watch`: each trouble, caused for real where that can be, is reported within 15 minutes."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
import requests
from check_installation import DEVICE, Installation, fake_systemctl, install
from grafana_contract import GrafanaContract
from hook_site import Installation as HookInstallation
from influx_server import InfluxServer
from receiver import SECRET, Receiver
from trees import ROOT, Site, day_rows, v002
from waiting import LONG
from watching import HOUR, Clock, Sweeps, fill, small_disk

from powerview.monitoring import machine
from powerview.monitoring.lanes import lanes as look_at_lanes
from powerview.settings import load_settings

pytest_plugins = ("check_fixture",)
QUARTER = 15 * 60


class Watched:
    """An installation, its sweeps, and who is notified."""

    def __init__(self, installation: Installation, receiver: Receiver, monkeypatch) -> None:
        self.site, self.sftpgo = installation.site, installation.sftpgo
        settings = dataclasses.replace(
            installation.settings, alert_urls=(receiver.alert_url,), ping_url=receiver.ping_url
        )
        self.receiver = receiver
        self.sweeps = Sweeps(settings, Clock(monkeypatch), receiver, (self.sftpgo,))

    def is_well(self) -> None:
        """Nothing is reported for half an hour, and each sweep pings."""
        assert self.sweeps.during(2 * QUARTER) == []
        assert [ping.fail for ping in self.receiver.pings] == [False] * 6

    def reports(self, *texts: str) -> None:
        """Within 15 minutes one message has these texts, the ping the first of them; then there is silence."""
        (message,) = self.sweeps.during(QUARTER)
        for text in texts:
            assert text in message
        assert self.receiver.pings[-1].fail
        assert texts[0] in self.receiver.pings[-1].text
        assert self.sweeps.during(HOUR) == []

    def is_over(self, text: str) -> None:
        """Within 15 minutes the end is reported, and the ping is well again."""
        (message,) = self.sweeps.during(QUARTER)
        assert message.startswith("Over:\n")
        assert text in message
        assert not self.receiver.pings[-1].fail


@pytest.fixture
def grafana():
    server = GrafanaContract("13")
    server.__enter__()
    yield server
    with suppress(OSError):  # a test has stopped it
        server.__exit__()


@pytest.fixture
def watched(influx, client, tmp_path, monkeypatch, receiver, grafana) -> Watched:
    return Watched(install(influx, client, tmp_path, monkeypatch, grafana), receiver, monkeypatch)


@pytest.mark.slow
def test_an_installation_in_which_all_is_well_is_left_alone(watched, influx, client):
    watched.is_well()
    assert watched.sweeps.statuses == [0] * 6
    probes = [key for key in influx.points(client) if key[0] == "powerview_watch"]
    assert len(probes) <= 2  # one for each day, however many sweeps


@pytest.mark.slow
def test_a_grafana_that_is_down(watched, grafana):
    watched.is_well()
    grafana.__exit__()
    watched.reports("Grafana: does not answer at http://127.0.0.1:", "Is it running, and is GRAFANA_URL")


@pytest.fixture
def own_influx(influx, tmp_path):
    """An InfluxDB that a test may break, on a file system of its own."""
    with small_disk(tmp_path / "influx-disk", "256m") as disk:
        server = InfluxServer(disk / "influx", influx.program)
        server.program = [word.replace(str(influx.folder), str(server.folder)) for word in influx.program]
        yield server.start()
        server.stop()


@pytest.mark.slow
def test_an_influxdb_that_is_down_and_one_that_is_read_only(own_influx, tmp_path, monkeypatch, receiver, grafana):
    watched = Watched(install(own_influx, "admins", tmp_path, monkeypatch, grafana), receiver, monkeypatch)
    watched.is_well()
    own_influx.kill()
    watched.reports("InfluxDB: does not answer at http://127.0.0.1:", "(no connection). Is it running")
    own_influx.start()
    watched.is_over("InfluxDB: does not answer")
    disk = own_influx.folder.parent
    # A disk under open files cannot be made read-only; a full one takes as little, once the last page is used up.
    fill(disk / "filling")
    probe = f"powerview_watch writable=1 {int(watched.sweeps.clock.now) // 86400 * 86400}"
    params = {"org": own_influx.org, "bucket": "admins", "precision": "s"}
    with suppress(requests.HTTPError):
        while True:
            own_influx.call("POST", "/api/v2/write", params=params, data=probe)
    watched.reports("token: cannot write to admins (5", "is its disk full or read-only?")
    (disk / "filling").unlink()
    own_influx.stop()  # it does not recover by itself
    own_influx.start()
    watched.is_over("token: cannot write to admins")


@pytest.mark.slow
def test_a_full_disk(watched, monkeypatch, tmp_path):
    with small_disk(tmp_path / "full", "2m") as disk:
        watched.sweeps.settings = dataclasses.replace(watched.sweeps.settings, log_dir=disk)
        watched.is_well()
        fill(disk / "filling")
        watched.reports(f"disk: 0.0 GiB free of 0.0 at {disk}", "Make room")
        (disk / "filling").unlink()
        watched.is_over(f"at {disk}")


@pytest.mark.slow
def test_a_hook_that_cannot_be_executed(watched):
    watched.is_well()
    machine.HOOK.chmod(0o644)
    watched.reports(f"hook: {machine.HOOK} cannot be executed. chmod +x {machine.HOOK}")
    machine.HOOK.chmod(0o755)
    watched.is_over("hook: ")


@pytest.mark.slow
def test_a_timer_that_is_dead(watched):
    watched.is_well()
    fake_systemctl(watched.site.root, {"is-active powerview-sweep.timer": "inactive"})
    watched.reports("timer: powerview-sweep.timer is inactive. systemctl enable --now powerview-sweep.timer")


@pytest.mark.slow
def test_a_network_that_is_gone_is_missed_outside_and_reported_afterwards(watched, grafana):
    watched.is_well()
    watched.receiver.stop()
    grafana.__exit__()
    assert watched.sweeps.during(HOUR) == []
    assert len(watched.receiver.pings) == 6
    watched.receiver.start()
    watched.reports("Grafana: does not answer")


@pytest.mark.slow
def test_a_file_in_error_is_named_with_its_cause_and_a_second_one_too(watched):
    watched.is_well()
    watched.site.put(f"{DEVICE}/T302_250703_031500.tsv", b"no logger wrote this\n")
    assert watched.site.run().returncode == 1
    reason = watched.site.records()[-1]["reason"].removesuffix(".")
    watched.reports(f"{DEVICE}/error/T302_250703_031500.tsv: {reason}. Move the file away when that is seen to.")
    watched.site.put(f"{DEVICE}/T302_250704_031500.tsv", b"nor this\n")
    assert watched.site.run().returncode == 1
    (message,) = watched.sweeps.during(QUARTER)
    assert "T302_250704_031500.tsv" in message
    assert "T302_250703_031500.tsv" not in message
    for file in (watched.site.data / DEVICE / "error").iterdir():
        file.unlink()
    watched.is_over("T302_250704_031500.tsv")


@pytest.mark.slow
def test_files_that_wait_are_named_with_the_cause(watched):
    watched.is_well()
    (watched.site.data / DEVICE / "parsed").rename(watched.site.data / DEVICE / "error")  # a file of a good day
    (watched.site.data / DEVICE / "parsed").write_text("no folder\n")
    watched.sweeps.one()
    watched.site.put(f"{DEVICE}/T302_250703_031500.tsv", v002(*day_rows()))
    messages = watched.sweeps.during(HOUR + QUARTER)
    assert f"{DEVICE}/T302_250703_031500.tsv has waited for 1 h" in messages[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lane", "status", "log", "line", "texts"),
    [
        ("ingest", 78, "hook.log", "2026-11-26 20:31:47+00:00 ingest: INFLUXDB_HOST must be a URL",
         ["ingest lane: ended with status 78: INFLUXDB_HOST must be a URL. ", "hook.log has more"]),
        ("provision", 2, "provisioning.log", "2026-11-26 20:31:47+00:00 FAILED 2: no team could be made (see there)",
         ["provision lane: ended with status 2: no team could be made (see there). "]),
    ],
)  # fmt: skip
def test_a_lane_that_fails(watched, lane, status, log, line, texts):
    watched.is_well()
    (watched.site.log / log).write_text(f"older\n{line}\n")
    ended(watched, lane, status)
    (message,) = watched.sweeps.during(QUARTER)
    assert all(text in message for text in texts)


def ended(watched: Watched, lane: str, status: int) -> None:
    """The lane has ended so, as on-upload.sh leaves it."""
    file = watched.site.state / f"{lane}.status"
    file.write_text(f"{status} 2026-11-26 20:31:47+00:00\n")
    os.utime(file, (watched.sweeps.clock.now, watched.sweeps.clock.now))


@pytest.mark.slow
def test_a_store_that_refuses_is_reported_with_what_the_parser_has_logged(watched):
    watched.is_well()
    wrong = {"INFLUXDB_HOST": watched.sweeps.settings.influxdb_host, "INFLUXDB_ADMIN_TOKEN": "wrong"}
    watched.site.put("acme/roof/02001171/T302_250703_031500.tsv", v002(*day_rows()))
    assert watched.site.run(**wrong).returncode == os.EX_TEMPFAIL
    ended(watched, "ingest", os.EX_TEMPFAIL)
    (message,) = watched.sweeps.during(QUARTER)
    assert "ingest lane: ended with status 75: InfluxDB at http://127.0.0.1:" in message
    assert "does not accept the token" in message


@pytest.mark.slow
def test_a_lane_that_hangs(watched):
    ended(watched, "provision", 0)
    os.utime(watched.site.state / "ingest.status", (2**32, 2**32))
    assert watched.sweeps.during(6 * HOUR) == []
    (message,) = watched.sweeps.during(QUARTER)
    assert "provision lane: has not ended for 6 hours" in message


@pytest.mark.slow
def test_a_part_that_cannot_be_looked_at_hides_none_of_the_others(watched, monkeypatch):
    watched.is_well()
    monkeypatch.setattr(machine.shutil, "which", lambda _: 1 / 0)
    machine.HOOK.chmod(0o644)
    watched.reports("hook: ", "check: what belongs to machine could not be looked at: ZeroDivisionError")


@pytest.mark.slow  # it waits for every time-out there is
def test_in_a_network_that_swallows_everything_it_ends_in_time(site):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # it takes calls and never answers
        port = silent.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        done = run(
            site, INFLUXDB_HOST=url, INFLUXDB_ADMIN_TOKEN="t", GRAFANA_URL=url, GRAFANA_PASSWORD="p",
            POWERVIEW_ALERT_URLS=f"json://127.0.0.1:{port} json://127.0.0.1:{port}/2", POWERVIEW_PING_URL=url,
        )  # fmt: skip
    assert done.returncode == os.EX_TEMPFAIL
    assert done.stderr.count("NOT delivered: ") == 2
    assert "the ping was NOT received: no answer within 10 s" in done.stderr
    kept = (site.state / "watch.json").read_text()
    assert kept.count(f"does not answer at {url}") >= 2  # InfluxDB, Grafana


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(site: Site, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    words = [sys.executable, "-m", "powerview", "watch", "--sftpgo-env", str(site.root / "none"), *arguments]
    return subprocess.run(
        words, cwd=ROOT, env={**site.environment, "GRAFANA_URL": "http://127.0.0.1:1", **environment},
        capture_output=True, text=True, timeout=LONG,
    )  # fmt: skip


def test_the_command_reports_what_no_restart_can_cause_at_once(site, receiver):
    done = run(site, POWERVIEW_ALERT_URLS=receiver.alert_url, POWERVIEW_PING_URL=receiver.ping_url)
    assert (done.returncode, done.stderr) == (0, "")
    (message,) = receiver.messages
    assert "SFTPGo: nothing is set in" in message
    assert [ping.fail for ping in receiver.pings] == [True]
    again = run(site, POWERVIEW_ALERT_URLS=receiver.alert_url)
    assert (again.returncode, len(receiver.messages)) == (0, 1)


def test_a_test_sends_one_message_and_one_ping(site, receiver):
    done = run(site, "--test", POWERVIEW_ALERT_URLS=receiver.alert_url, POWERVIEW_PING_URL=receiver.ping_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "address 1 of 1 (json): received\nping: received\n"
    assert [title.split(": ")[1] for title in receiver.titles] == ["a test"]
    assert [ping.fail for ping in receiver.pings] == [False]
    assert not list(site.state.iterdir())


def test_a_test_in_french(site, receiver):
    run(site, "--test", POWERVIEW_ALERT_URLS=receiver.alert_url, POWERVIEW_LANGUAGE="fr")
    assert receiver.messages[0].startswith("Ceci est un essai")


def test_a_test_prints_what_came_back(site, receiver):
    receiver.status = 403
    done = run(site, "--test", POWERVIEW_ALERT_URLS=f"{receiver.alert_url} nosuch://{SECRET}",
               POWERVIEW_PING_URL=f"http://127.0.0.1:1/{SECRET}")  # fmt: skip
    assert done.returncode == os.EX_TEMPFAIL
    assert done.stdout == (
        "address 1 of 2 (json): NOT received: answered 403\n"
        "address 2 of 2 (nosuch): NOT received: Apprise does not know such an address, or a part of it is missing\n"
        "ping: NOT received: no connection\n"
    )


def test_a_test_with_nobody_to_notify_names_both_settings(site):
    done = run(site, "--test")
    assert (done.returncode, done.stdout) == (os.EX_CONFIG, "")
    assert "set POWERVIEW_ALERT_URLS and POWERVIEW_PING_URL in" in done.stderr


def test_an_unknown_language_silences_nobody(site, receiver):
    done = run(site, POWERVIEW_ALERT_URLS=receiver.alert_url, POWERVIEW_LANGUAGE="de")
    assert done.returncode == 0
    assert "POWERVIEW_LANGUAGE must be en or fr, not 'de'" in receiver.messages[0]


SECRET_URLS = [
    f"json://user:{SECRET}@127.0.0.1:1/{SECRET}?+X={SECRET}",
    f"ntfy://user:{SECRET}@127.0.0.1:1/{SECRET}",
    f"mailto://user:{SECRET}@127.0.0.1:1/?from=a@b.fr&to={SECRET}@b.fr&rto=1",
    f"tgram://123456789:{SECRET}abcdefghijklm/{SECRET}/",
    f"nosuch://{SECRET}",
    f"ntfy://:::{SECRET}@@/",
    f"{SECRET}",
]


def test_no_secret_of_an_address_is_in_any_output_or_file(site):
    for arguments in ([], ["--test"]):
        done = run(site, *arguments, POWERVIEW_ALERT_URLS=" ".join(SECRET_URLS),
                   POWERVIEW_PING_URL=f"http://127.0.0.1:1/{SECRET}", http_proxy="http://127.0.0.1:1",
                   https_proxy="http://127.0.0.1:1")  # fmt: skip
        assert done.returncode in (os.EX_TEMPFAIL, os.EX_CONFIG)
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert all(SECRET.encode() not in file.read_bytes() for file in site.root.rglob("*") if file.is_file())


def test_apprise_is_loaded_only_when_there_is_something_to_send(site, receiver):
    code = "import sys; import powerview.monitoring.watch; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_plug_in_that_fails_shows_no_more_than_the_kind_of_failure(site, receiver, monkeypatch, capfd):
    import apprise

    from powerview.monitoring.notify import Recipient

    def fail(*_arguments, **_options):
        raise RuntimeError(f"cannot send to {SECRET}")

    monkeypatch.setattr(apprise.Apprise, "notify", fail)
    assert Recipient(1, receiver.alert_url, 1).send("a title", "a text") == "Apprise failed (RuntimeError)"
    assert SECRET not in "".join(capfd.readouterr())


def test_two_at_once_send_nothing_twice(site, receiver):
    import fcntl

    with (site.state / "watch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run(site, POWERVIEW_ALERT_URLS=receiver.alert_url)
    assert (done.returncode, done.stdout) == (0, "another watch is at work\n")
    assert receiver.messages == []


def test_a_sweep_ends_with_the_watch(tmp_path, receiver):
    server = HookInstallation(tmp_path)
    server.real_programs()
    server.set(POWERVIEW_ALERT_URLS=receiver.alert_url, POWERVIEW_PING_URL=receiver.ping_url)
    _, out, err = server.run("sweep")
    (message,) = receiver.messages
    assert "settings: INFLUXDB_HOST, INFLUXDB_ADMIN_TOKEN, GRAFANA_PASSWORD not set" in message
    assert [ping.fail for ping in receiver.pings] == [True]
    lanes = {item.name: item.state for item in look_at_lanes(load_settings({}, server.home / ".env"))}
    assert lanes == {"ingest lane": "ok", "provision lane": "bad"}  # there is no playbook in this installation
    assert SECRET not in out + err + "".join(server.log("hook.log"))
