"""The first page of a client's people: its campaigns with their figures, and when each device was read last.

It is a dashboard in the client's folder, made once of `dashboards/overview.json`; after that a run keeps the list of
campaigns in it up to date, its time zone and its language, and leaves whatever else a person changes. It is the home
page of the client's team (with an organisation for each client: of that), unless somebody chose another one.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path

from powerview.settings import Settings
from powerview_grafana import dashboards, found, master, spans
from powerview_grafana.addresses import classic_address, path
from powerview_grafana.dashboard import constants, in_time_zone, set_constant, with_data_source
from powerview_grafana.language import in_language, translated
from powerview_grafana.run import Run, closed_clients, going_on
from powerview_grafana.servers import ServerError
from powerview_grafana.spans import OPEN, Span

FILE = Path(__file__).resolve().parents[1] / "dashboards" / "overview.json"
TITLE = "Overview"
LIST = "campaigns"
"""The hidden constant that lists the campaigns, as rows of Flux."""
_ROW = re.compile(r'\{campaign: "([^"]*)", uid: "([^"]*)", from: (\d+), to: (\d+)\}')
CHANGED_MEANWHILE = "somebody changed its overview while it was brought up to date: run again."

Listed = dict[str, tuple[str, Span]]
"""The campaigns of an overview: name → uid of the dashboard, and the span with which that was set to open."""


def make(run: Run, clients: list[dict]) -> None:
    """Make the overviews that are missing, bring the others up to date, set who may see them, and make each the home
    page of its client's people. Also sets with which time range each campaign's dashboard opens."""
    ours = closed_clients(clients)
    present = run.read_first(ours, lambda: read(run, ours))
    if present is None:
        return
    work = _Overviews(run, present, spans.of_clients(run, going_on(ours)))
    run.each(going_on(ours), work.list_campaigns)
    left = closed_clients(ours)
    dashboards.settle(run, left, work.new, "The client's overview", wanted=work.overviews)
    run.each(going_on(left), work.bring_up_to_date)
    there = [c for c in going_on(left) if c["overview"].get("there")]
    run.each_with(there, lambda: _homes(run, there), lambda c, homes: _make_home(run, c, homes[c["client"]]))
    for client in ours:
        _name_steps(client)


def content(settings: Settings, client: dict, listed: Listed) -> dict:
    """A client's overview with these campaigns, as a run makes it."""
    made = in_language(json.loads(FILE.read_text(encoding="utf-8")), settings.language)
    made = with_data_source(made, client["data_source_uid"])
    in_time_zone(made, settings.timezone.key)
    set_constant(made, LIST, _rows(listed))
    title = translated(TITLE, settings.language)
    if title.casefold() in (name.casefold() for name in listed):  # Grafana 11 keeps titles unique in a folder
        title = f"{title} ({client['client']})"
    made = {k: v for k, v in made.items() if k not in ("id", "version")}
    return {**made, "uid": client["overview"]["uid"], "title": title, "tags": ["powerview", client["client"]]}


def listed(overview: dict | None) -> Listed:
    """The campaigns that an overview lists."""
    rows = _ROW.findall(constants(overview or {}).get(LIST, ""))
    return {name: (uid, Span(int(begin), int(end))) for name, uid, begin, end in rows}


def read(run: Run, clients: list[dict]) -> dict[str, dict | None]:
    """The overviews that are there, by client, as classic JSON; None if one is in a schema that cannot be read."""
    answers = run.ask(clients, lambda c: classic_address(c["overview"]["uid"]), found.READABLE)
    return {client: a.body["dashboard"] if a.status == 200 else None for client, a in answers.items() if a.found}


class _Overviews:
    # What one run knows of all overviews.
    def __init__(self, run: Run, present: dict, own_spans: dict[str, dict[str, Span] | ServerError]) -> None:
        self.run, self.present, self.spans = run, present, own_spans
        self.wanted: dict[str, Listed] = {}

    @cached_property
    def default(self) -> dict:
        """The time range of the Master."""
        now, _ = master.read(self.run.grafana)
        return (now or {}).get("time") or {}

    def list_campaigns(self, client: dict) -> None:
        """Which campaigns the client's overview lists, once each of their dashboards opens with its own time range."""
        before = listed(self.present.get(client["client"]))
        own = self.spans[client["client"]]
        if isinstance(own, ServerError):
            raise own
        there = {c["campaign"]: c for c in client["campaigns"] if c.get("there")}
        kept = [name for name in before if name not in {c["campaign"] for c in client["campaigns"]}]
        # Campaigns without a folder on disk: readings and dashboard may be there all the same.
        exist = found.that_exist(self.run.grafana, client["org"], [before[name][0] for name in kept])
        wanted = {name: before[name] for name in kept if before[name][0] in exist}
        for name, campaign in there.items():
            _, earlier = before.get(name, ("", OPEN))
            now = own.get(name, OPEN)
            if now != earlier and not (self.run.check and "dashboard" in campaign["steps"]):
                now = spans.settle(self.run, client, campaign, earlier, now, self.default)
            wanted[name] = campaign["uid"], now
        self.wanted[client["client"]] = dict(sorted(wanted.items()))

    def overviews(self, client: dict) -> list[dict]:
        """The client's overview; none where there is nothing to list yet, because the Master cannot be cloned."""
        return [client["overview"]] if client["client"] in self.present or self.wanted.get(client["client"]) else []

    def new(self, client: dict, _overview: dict) -> dict:
        """A client's overview as it is made."""
        return content(self.run.settings, client, self.wanted[client["client"]])

    def bring_up_to_date(self, client: dict) -> None:
        """Write what has changed: the campaigns, the time zone, the language."""
        now, overview = self.present.get(client["client"]), client["overview"]
        if now is None:
            return
        made = in_language(now, self.run.settings.language)
        steps = ["language"] if made != now else []
        zone = self.run.settings.timezone.key
        if constants(made).get("timezone") not in (None, "", zone):
            in_time_zone(made, zone)
            steps.append("time zone")
        rows = _rows(self.wanted[client["client"]])
        if constants(made).get(LIST, rows) != rows:
            set_constant(made, LIST, rows)
            steps.append("campaigns")
        if not steps or not [self.run.change(client, overview["steps"], step, None, rows) for step in steps][0]:
            return
        message = ", ".join(steps).capitalize()
        if not dashboards.save_over(self.run, "Bring the overview up to date", client, made, message):
            raise ServerError(CHANGED_MEANWHILE)


def _rows(campaigns: Listed) -> str:
    # Names are those that `powerview.names` allows: none has a quote or a brace.
    return ", ".join(
        f'{{campaign: "{name}", uid: "{uid}", from: {span.begin}, to: {span.end}}}'
        for name, (uid, span) in campaigns.items()
    )


def _preferences(run: Run, client: dict) -> str:
    # With an organisation for each client everybody in it is the client's.
    if run.settings.isolation == "org":
        return path("api", "org", "preferences")
    return path("api", "teams", client["team_id"], "preferences")


def _homes(run: Run, clients: list[dict]) -> dict[str, dict]:
    # In check mode a new client has no team or organisation yet.
    answers = run.ask([c for c in clients if c["team_id"]], lambda c: _preferences(run, c), ())
    return {c["client"]: {} for c in clients} | {client: a.body for client, a in answers.items() if a.found}


def _make_home(run: Run, client: dict, preferences: dict) -> None:
    # Another home page is somebody's choice. One that was deleted is not named any more.
    if preferences.get("homeDashboardUID"):
        return
    uid = client["overview"]["uid"]
    if run.change(client, client["overview"]["steps"], "home page", None, uid):
        body = {**preferences, "homeDashboardUID": uid}
        run.write("Set the home page", "PUT", _preferences(run, client), body, org=client["org"])


def _name_steps(client: dict) -> None:
    # In the report they are among the client's own. That a new campaign is listed goes without saying.
    steps = client["overview"]["steps"]
    if any(campaign["steps"] for campaign in client["campaigns"]):
        steps = [step for step in steps if step != "campaigns"]
    if "dashboard" in steps:
        client["steps"].append("overview")
    else:
        client["steps"] += [f"overview's {step}" for step in steps if step != "home page"]
    client["steps"] += [step for step in steps if step == "home page"]
