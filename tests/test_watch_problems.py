"""From what sweeps find to what is reported: the rules one by one, and the message that they become."""

from __future__ import annotations

import pytest
from receiver import SECRET, Receiver
from watching import DAY, HOUR, SWEEP

from powerview.monitoring import notify
from powerview.monitoring.item import Item, bad, each, good, unknown
from powerview.monitoring.message import LONGEST, first_lines, message
from powerview.monitoring.problems import News, Problems, delivered, due, forget, lasting, update
from powerview.settings import load_settings

ME = "me"
FULL = bad("disk", "disk_full", "/srv", free=0.1, total=10.0, folder="/srv")
ROOM = good("disk", "room")


def in_error(path: str) -> Item:
    """A file that cannot be read."""
    return bad("files in error/", "in_error", path, path=path, why="line 4 has no number")


class Story:
    """What one recipient is logged of some sweeps."""

    def __init__(self) -> None:
        self.problems: Problems = {}
        self.now = 1_800_000_000.0

    def sweep(self, *items: Item, after: float = SWEEP) -> list[tuple[str, str]]:
        """The next sweep's news: kind and subject, or name."""
        self.now += after
        update(self.problems, items, self.now, "en")
        news = due(self.problems, ME, self.now)
        delivered(news, ME, self.now)
        forget(self.problems, [ME])
        return [(str(kind), problem.subject or problem.name) for kind, problem in news]


def test_a_problem_that_only_one_sweep_sees_is_none():
    story = Story()
    assert [story.sweep(item) for item in (FULL, ROOM, FULL, ROOM, FULL)] == [[]] * 5
    assert story.sweep(FULL) == [("new", "/srv")]


def test_an_end_that_only_one_sweep_sees_is_none():
    story = Story()
    story.sweep(FULL)
    story.sweep(FULL)
    assert [story.sweep(item) for item in (ROOM, FULL, ROOM)] == [[]] * 3
    assert story.sweep(ROOM) == [("over", "/srv")]
    assert story.problems == {}


def test_a_second_look_at_once_by_hand_confirms_nothing():
    story = Story()
    story.sweep(FULL)
    assert story.sweep(FULL, after=20) == []


def test_two_passing_troubles_far_apart_are_not_one_that_lasts():
    story = Story()
    story.sweep(FULL)
    for _ in range(20):
        assert story.sweep() == []  # it cannot be looked at
    assert story.sweep(FULL) == []


def test_a_new_file_is_news_and_the_old_one_is_not():
    story = Story()
    assert story.sweep(in_error("a")) == [("new", "a")]
    assert story.sweep(in_error("a"), in_error("b")) == [("new", "b")]
    assert story.sweep(in_error("b")) == [("over", "a")]
    assert story.sweep(in_error("a"), in_error("b")) == [("new", "a")]


def test_what_lasts_comes_again_each_day():
    story = Story()
    story.sweep(in_error("a"))
    found = [story.sweep(in_error("a"), after=HOUR) for _ in range(50)]
    assert [number for number, news in enumerate(found, 1) if news] == [24, 48]
    assert found[23] == [("still", "a")]


def test_what_is_not_seen_is_neither_over_nor_repeated_and_forgotten_after_a_week():
    story = Story()
    story.sweep(in_error("a"))
    assert [story.sweep(after=DAY) for _ in range(7)] == [[]] * 7
    assert lasting(story.problems)
    story.sweep(after=DAY)
    assert story.problems == {}


def test_what_is_known_by_number_only_is_not_called_over():
    story = Story()
    files = [f"{number:03}" for number in range(202)]
    assert len(story.sweep(*each("files in error/", files[:200], in_error, "none"))) == 200
    newest_first = files[::-1]
    assert story.sweep(*each("files in error/", newest_first, in_error, "none")) == [("new", "201"), ("new", "200")]
    assert story.sweep(unknown("files in error/", "cannot be read")) == []
    assert len(story.sweep(good("files in error/", "none"))) == 202


def test_a_full_disk_that_keeps_no_status_of_a_lane_is_one_problem():
    story = Story()
    stuck = bad("ingest lane", "lane_stuck", hours=7.0, log="hook.log")
    found = [story.sweep(FULL, stuck) for _ in range(5)]
    assert [news for news in found if news] == [[("new", "/srv")]]


def test_a_message_is_cut_where_a_service_would_refuse_it():
    story = Story()
    story.sweep(*(bad(f"thing {n}", "settings_wrong", error="x" * 150) for n in range(40)))
    news = [(News.NEW, problem) for problem in story.problems.values()]
    title, text = message(news, "en", story.now)
    assert title.endswith(": 40 new")
    assert len(text) < LONGEST + 100
    assert text.endswith(" more lines: python -m powerview check shows all")
    assert len(first_lines(list(story.problems.values())).splitlines()) == 10


@pytest.mark.parametrize("path", ["x\n- all is well.tsv", "{path}", "x\x1b[2J", "\udce9"])
def test_a_hostile_name_forges_no_line(path):
    story = Story()
    story.sweep(in_error(path), bad("refused files", "refused", path, path=path, why=path))
    news = [(kind, problem) for problem in story.problems.values() for kind in (News.NEW, News.STILL, News.OVER)]
    for language in ("en", "fr"):
        _, text = message(news, language, story.now)
        assert len(text.splitlines()) == 9
        assert text.isprintable() or {c for c in text if not c.isprintable()} == {"\n"}
        text.encode()


def test_the_failure_is_behind_the_path_of_the_ping():
    with Receiver() as receiver:
        url = f"{receiver.ping_url}?rid={SECRET}"
        calls = []
        receiver.receive = lambda path, body: calls.append((path, body)) or 200
        settings = load_settings({"POWERVIEW_PING_URL": url})
        assert notify.ping(settings, "Grafana: gone é") == ""
        assert calls == [(f"/ping/{SECRET}/fail?rid={SECRET}", "Grafana: gone é".encode())]


@pytest.mark.parametrize(
    "url", [f"http://[{SECRET}", f"http://{SECRET}:x/", SECRET, f"http://.{SECRET}.", "http://é\udce9/"]
)
def test_an_address_that_is_none_is_no_ping_and_no_traceback(url):
    settings = load_settings({"POWERVIEW_PING_URL": url})
    for trouble in ("", "Grafana: gone"):
        error = notify.ping(settings, trouble)
        assert error
        assert SECRET not in error


def test_a_ping_that_is_refused_is_no_ping():
    with Receiver() as receiver:
        receiver.receive = lambda *_: 404
        assert notify.ping(load_settings({"POWERVIEW_PING_URL": receiver.ping_url})) == "answered 404"


def test_a_ping_goes_through_the_proxy_of_a_network_that_has_one(monkeypatch):
    with Receiver() as proxy:
        calls = []
        proxy.receive = lambda path, _body: calls.append(path) or 200
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert notify.ping(load_settings({"POWERVIEW_PING_URL": f"http://pings.invalid/{SECRET}"})) == ""
        assert calls == [f"http://pings.invalid/{SECRET}"]
