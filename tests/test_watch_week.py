"""`watch` over simulated days: no false alarm in a healthy week, each problem once, again after a day, its end once."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from datetime import datetime

import pytest
from receiver import Receiver
from trees import Site
from watching import DAY, HOUR, SWEEP, Clock, Sweeps, deliver, scripted

from powerview.monitoring.item import Item, bad, good
from powerview.monitoring.loggers import silent_loggers

pytest_plugins = ("check_fixture",)

LOGGERS = {f"0200190{n}": f"acme/roof/0200190{n}" for n in range(6)}
FINE = ("InfluxDB", "token", "organisation", "Grafana", "Grafana's login", "Master", "ingest lane", "provision lane")


def away(name: str) -> Item:
    """A server that does not answer."""
    key = {"InfluxDB": "influxdb_away", "Grafana": "grafana_away"}[name]
    return bad(name, key, url="http://localhost:1", why="no connection")


@pytest.fixture
def sweeps(site: Site, receiver, monkeypatch) -> Sweeps:
    """An installation without servers; tests say what is found of them."""
    settings = dataclasses.replace(site.settings(), alert_urls=(receiver.alert_url,), ping_url=receiver.ping_url)
    return Sweeps(settings, Clock(monkeypatch), receiver)


def script(monkeypatch, sweeps: Sweeps, trouble) -> None:
    """`trouble(now)` yields what is bad; the rest is fine."""

    def items(now):
        wrong = list(trouble(now))
        names = {item.name for item in wrong}
        yield from wrong
        yield from (good(name, "fine") for name in FINE if name not in names)

    scripted(monkeypatch, sweeps.settings, items, sweeps.clock)


@pytest.mark.slow
def test_a_healthy_week_raises_no_false_alarm(site, sweeps, receiver, monkeypatch):
    start, dice = sweeps.clock.now, random.Random(7)
    restarts = {SWEEP * n for n in (100, 101 + 288, 700, 1200, 1500)}
    deliveries = [(day * DAY + 3.25 * HOUR, place) for day in range(-2, 7) for place in LOGGERS.values()]
    late = (2 * DAY + 3.25 * HOUR, LOGGERS["02001900"])  # comes 11 hours late
    moved = LOGGERS["02001901"]  # its campaign changes on the third day, then its client
    due = []
    for at, place in deliveries:
        if (at, place) == late:
            at += 11 * HOUR
        if place == moved and at > 3 * DAY:
            place = "acme/winter/02001901" if at < 5 * DAY else "globex/hall/02001901"
        due.append((start + at + dice.uniform(0, 360), place))
    due.sort(reverse=True)

    def trouble(now):
        while due and due[-1][0] <= now:
            deliver(site, due[-1][1], due[-1][0])
            due.pop()
        since = round(now - start)
        if since in restarts:  # everything at once, as after a reboot
            yield away("InfluxDB")
            yield away("Grafana")
            yield bad("sftpgo.service", "unit_inactive", unit="sftpgo.service", state="activating")
            yield bad("ingest lane", "lane_failed", status=75, why=": InfluxDB does not answer", log="hook.log")
        if since - SWEEP in restarts:  # one comes back later than the other
            yield bad("provision lane", "lane_failed", status=2, why="", log="provisioning.log")

    script(monkeypatch, sweeps, trouble)
    assert sweeps.during(7 * DAY) == []
    assert set(sweeps.statuses) == {0}
    assert len(receiver.pings) == 7 * DAY / SWEEP
    assert not any(ping.fail for ping in receiver.pings)


@pytest.mark.slow
def test_a_silent_logger_is_reported_once_a_day_and_when_it_is_back(site, sweeps, receiver, monkeypatch):
    start = sweeps.clock.now
    script(monkeypatch, sweeps, lambda _: ())
    deliver(site, LOGGERS["02001902"], start)
    assert sweeps.during(36 * HOUR) == []
    assert sweeps.during(900) == [
        "Something is wrong:\n- 02001902 (acme/roof) has delivered nothing for 36 hours. Powered? Connected? Can it "
        "reach port 2022?"
    ]
    assert receiver.titles[0].endswith(": 1 new")
    assert receiver.kinds == ["failure"]
    assert receiver.pings[-1].fail
    assert receiver.pings[-1].text.startswith("02001902 (acme/roof) has delivered nothing")
    (again,) = sweeps.during(DAY)
    assert again.startswith("Still wrong:\n- 02001902 (acme/roof) has delivered nothing for 60 hours. Powered?")
    assert "(since 20" in again
    deliver(site, LOGGERS["02001902"], sweeps.clock.now)
    assert sweeps.during(DAY) == ["Over:\n- 02001902 (acme/roof) has delivered nothing for 60 hours (lasted 24 h)"]
    assert receiver.kinds[-1] == "success"
    assert json.loads((site.state / "watch.json").read_text()) == {"problems": []}
    assert not receiver.pings[-1].fail


@pytest.mark.slow
def test_a_logger_is_forgotten_after_a_month_without_a_word(site, sweeps, monkeypatch):
    script(monkeypatch, sweeps, lambda _: ())
    deliver(site, LOGGERS["02001902"], sweeps.clock.now - 30 * DAY + 2 * HOUR)
    (message,) = sweeps.during(900)
    assert "nothing for 718 hours" in message
    assert sweeps.during(3 * HOUR) == []  # it is not called over
    assert sweeps.during(2 * DAY) == []
    assert sweeps.receiver.pings[-1].fail is False


def test_a_logger_in_error_or_pending_is_not_silent(site, sweeps, monkeypatch):
    script(monkeypatch, sweeps, lambda _: ())
    deliver(site, LOGGERS["02001902"], sweeps.clock.now - 3 * DAY)
    deliver(site, LOGGERS["02001902"], sweeps.clock.now, state="")
    assert not any("02001902" in line and "hours. Powered" in line for line in sweeps.during(900))


def test_a_clean_up_of_old_files_does_not_hide_a_silence(site, sweeps, monkeypatch):
    script(monkeypatch, sweeps, lambda _: ())
    for days in (3, 4):
        deliver(site, LOGGERS["02001902"], sweeps.clock.now - days * DAY)
    parsed = site.data / LOGGERS["02001902"] / "parsed"
    os.unlink(min(parsed.iterdir()))  # the folder itself has changed a moment ago
    (message,) = sweeps.during(900)
    assert "02001902 (acme/roof) has delivered nothing for 72 hours" in message


def test_an_outage_is_reported_within_15_minutes_and_its_consequences_are_not(sweeps, monkeypatch):
    start = sweeps.clock.now

    def trouble(now):
        if HOUR <= now - start < 3 * HOUR:
            yield away("InfluxDB")
            yield bad("Grafana reads InfluxDB", "source_broken", url="http://influxdb:8086", why="400")
            yield bad("ingest lane", "lane_failed", status=75, why="", log="hook.log")
            yield bad("provision lane", "lane_failed", status=2, why="", log="provisioning.log")
            yield bad("pending files", "pending", "x.tsv", path="x.tsv", hours=1, why="")

    script(monkeypatch, sweeps, trouble)
    assert sweeps.during(HOUR - SWEEP) == []
    (message,) = sweeps.during(900)
    assert message == (
        "Something is wrong:\n- InfluxDB: does not answer at http://localhost:1 (no connection). Is it running, and is "
        "INFLUXDB_HOST (http://localhost:1) right?"
    )
    assert sweeps.during(105 * 60) == []
    assert sweeps.during(900) == [
        "Over:\n- InfluxDB: does not answer at http://localhost:1 (no connection) (lasted 2 h)"
    ]


def test_what_a_broken_server_hides_is_not_called_over(sweeps, monkeypatch):
    start = sweeps.clock.now

    def items(now):
        if now - start > HOUR:
            yield away("Grafana")
        else:
            yield good("Grafana", "fine")
            yield bad("Master", "master_unusable", problem="it is in schema v2")

    scripted(monkeypatch, sweeps.settings, items, sweeps.clock)
    assert len(sweeps.during(HOUR)) == 1
    (message,) = sweeps.during(HOUR)
    assert "Over" not in message


def test_a_receiver_that_refuses_for_an_hour_gets_everything_then(sweeps, receiver, monkeypatch, capfd):
    start = sweeps.clock.now

    def trouble(now):
        since = now - start
        if since >= SWEEP:
            yield away("Grafana")
        if 2 * SWEEP <= since < 6 * SWEEP:
            yield away("InfluxDB")

    script(monkeypatch, sweeps, trouble)
    receiver.status = 403
    assert sweeps.during(HOUR) == []
    assert receiver.refused >= 9
    assert sweeps.statuses[-1] == os.EX_TEMPFAIL
    assert "address 1 of 1 (json): " in (errors := capfd.readouterr().err)
    assert "NOT delivered: answered 403. The next sweep tries again." in errors
    receiver.status = 200
    (message,) = sweeps.during(HOUR)
    lines = message.splitlines()
    assert [lines[0], lines[2]] == ["Something is wrong:", "Over:"]
    assert lines[1].startswith("- Grafana: does not answer")
    assert lines[3].startswith("- InfluxDB: does not answer")
    assert lines[3].endswith(", lasted 20 min)")


def test_one_broken_address_keeps_nothing_from_the_others_and_sends_nothing_twice(sweeps, receiver, monkeypatch):
    with Receiver() as other:
        settings = dataclasses.replace(sweeps.settings, alert_urls=(other.alert_url, receiver.alert_url))
        sweeps.settings = settings
        script(monkeypatch, sweeps, lambda _: [away("Grafana")])
        other.status = 500
        assert len(sweeps.during(HOUR)) == 1
        other.status = 200
        assert sweeps.during(HOUR) == []
        assert len(other.messages) == 1


def test_a_network_that_was_gone_is_noticed_outside_and_the_message_comes_later(sweeps, receiver, monkeypatch):
    script(monkeypatch, sweeps, lambda _: [away("Grafana")])
    receiver.stop()
    assert sweeps.during(HOUR) == []
    assert receiver.pings == []
    receiver.start()
    assert len(sweeps.during(SWEEP)) == 1
    assert len(receiver.pings) == 1


def test_a_thousand_silent_loggers_are_one_short_message(site, sweeps, monkeypatch):
    script(monkeypatch, sweeps, lambda _: ())
    for number in range(1000):
        deliver(site, f"acme/roof/0300{number:04}", sweeps.clock.now - 40 * HOUR)
    (message,) = sweeps.during(HOUR)
    assert len(message.splitlines()) == 5
    assert len(message) < 500
    assert message.endswith("- and 197 more (silent loggers)")


def test_messages_speak_french(site, sweeps, receiver, monkeypatch):
    sweeps.settings = dataclasses.replace(sweeps.settings, language="fr")
    script(monkeypatch, sweeps, lambda _: [bad("token", "token_refused", why="401", env="/srv/powerview/.env")])
    deliver(site, LOGGERS["02001902"], sweeps.clock.now - 41 * HOUR)
    first, second = sweeps.during(900)
    assert first == (
        "Un problème est apparu :\n- 02001902 (acme/roof) n'a rien envoyé depuis 41 heures. Est-il alimenté ? "
        "Connecté ? Peut-il joindre le port 2022 ?"
    )
    assert second.startswith(
        "Un problème est apparu :\n- jeton : INFLUXDB_ADMIN_TOKEN est refusé (401). Créez un jeton"
    )
    assert "nouveau" in receiver.titles[0]


@pytest.mark.slow
def test_a_clock_that_was_far_ahead_silences_nobody(sweeps, monkeypatch):
    script(monkeypatch, sweeps, lambda _: [away("Grafana")])
    sweeps.clock.now += 400 * DAY
    assert len(sweeps.during(HOUR)) == 1
    sweeps.clock.now -= 400 * DAY
    assert sweeps.during(DAY - HOUR) == []
    assert len(sweeps.during(2 * HOUR)) == 1


def test_a_client_that_sets_its_files_times_is_not_silent(site, sweeps, monkeypatch):
    script(monkeypatch, sweeps, lambda _: ())
    deliver(site, LOGGERS["02001902"], sweeps.clock.now - 3 * DAY)
    deliver(site, LOGGERS["02001903"], sweeps.clock.now - 3 * DAY)
    moment = f"{datetime.fromtimestamp(sweeps.clock.now - HOUR).astimezone()}"
    record = {"time": moment, "status": "OK", "device": "02001902", "path": "x", "settled_as": "x"}
    (site.log / "uploads.jsonl").write_text(json.dumps(record) + "\n")
    (message,) = sweeps.during(900)
    assert "02001903" in message
    assert "02001902" not in message


def test_of_a_logger_that_delivers_one_file_is_looked_at_and_of_a_forgotten_one_none(site, sweeps, monkeypatch):
    for day in range(40):
        deliver(site, LOGGERS["02001902"], sweeps.clock.now - day * DAY)
        deliver(site, LOGGERS["02001903"], sweeps.clock.now - (day + 40) * DAY)
    folder = site.data / LOGGERS["02001903"]
    for path in (folder / "parsed", folder):
        os.utime(path, (0, sweeps.clock.now - 40 * DAY))
    looked_at, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: looked_at.append(str(path)) or stat(path, **how))
    assert [item.found for item in silent_loggers(sweeps.settings)] == ["none of 1"]
    assert sum(path.endswith(".tsv") for path in looked_at) == 1


def test_a_time_that_lies_ahead_hides_no_silence_for_good(site, sweeps):
    deliver(site, LOGGERS["02001902"], sweeps.clock.now + 400 * DAY)
    assert [item.state for item in silent_loggers(sweeps.settings)] == ["ok"]
    sweeps.clock.now += 2 * DAY
    assert [item.state for item in silent_loggers(sweeps.settings)] == ["bad"]
