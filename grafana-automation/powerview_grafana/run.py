"""One task of a play at work: its settings and servers, check mode, and what it found and changed.

A client is a dictionary that goes from task to task (`tree.describe` makes it, the report reads it):
    org        the number of its organisation in Grafana; None if it has none yet (in check mode)
    team_id    the number of its team
    steps      what was missing or wrong, and is done (in check mode: would be done)
    failed     why it cannot be finished; what must be closed is closed all the same
    stopped    the server that gave no answer: nothing more is asked of it
    campaigns  each with its uid, `steps`, and `there`: whether its dashboard is, by now
    overview   the same of its first page, which is no campaign
    is_closed  whether its folder is known to be closed, so that something may be put into it
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from powerview.settings import Settings
from powerview_grafana import login, servers
from powerview_grafana.servers import EXISTS, GONE, Answer, Get, Server, ServerError

NOT_UNDERSTOOD = (AttributeError, IndexError, KeyError, TypeError)
"""What reading an answer raises in which something is missing, or of another kind."""


def not_understood(error: Exception) -> str:
    """The sentence for such an answer, with the place that it was read at."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"a server's answer is not what it should be ({type(error).__name__} {error}, read in "
        f"{Path(place.filename).name} line {place.lineno}): is a proxy or another program in its place?"
    )


class Run:
    """What a task works with. In check mode `write` must not be called: look at `check` first."""

    def __init__(self, settings: Settings, check: bool = False) -> None:
        self.settings, self.check = settings, check
        self.changes: list[tuple[str, Any, Any]] = []
        self.notes: list[str] = []
        self._parent = os.getppid()

    @cached_property
    def grafana(self) -> Server:
        """Grafana with the login that the playbooks use."""
        return login.of_the_playbooks(self.settings)

    @cached_property
    def influxdb(self) -> Server:
        """InfluxDB with the admins' token."""
        return servers.influxdb(self.settings)

    def log_in_again(self) -> bool:
        """Work with the playbooks' login from now on, if it has just been made; returns whether it was."""
        before = self.grafana
        del self.grafana
        return self.grafana != before

    def change(self, client: dict, steps: list[str], step: str, before: Any = None, after: Any = None) -> bool:
        """Note that something is to be changed; returns whether to do it now (no: in check mode)."""
        steps.append(step)
        self.changes.append((f"{client['client']}: {step}", before, after))
        return not self.check

    def ask(
        self, clients: list[dict], address: Callable[[dict], str], also: tuple[int, ...] = GONE
    ) -> dict[str, Answer]:
        """What Grafana answers at an address of each client, by client; for one without an organisation, not found."""
        homes = [c for c in clients if c["org"]]
        answers = self.grafana.get_all([Get(address(c), c["org"], also) for c in homes])
        known = {c["client"]: answer for c, answer in zip(homes, answers, strict=True)}
        return {c["client"]: known.get(c["client"], Answer(404)) for c in clients}

    def write(
        self, task: str, method: str, path: str, body: Any = None, server: Server | None = None, **more: Any
    ) -> Answer:
        """One write (`Server.write`), to Grafana unless a `server` is named. Raises ServerError if the playbook that
        started this process is gone."""
        if os.getppid() != self._parent:  # Ansible's workers outlive a playbook that is killed
            raise ServerError("the playbook was ended.")
        return (server or self.grafana).write(task, method, path, body, **more)

    def create(self, task: str, path: str, body: dict, org: int, there: str) -> Answer:
        """Make something in Grafana; where another run was quicker, `there` shows it. Raises ServerError if it is not:
        then something else is in its way."""
        made = self.write(task, "POST", path, body, org=org, also=EXISTS)
        if made.status in EXISTS and not self.grafana.get(there, org, GONE).found:
            raise self.grafana.refused(task, made)
        return made

    def each(self, clients: Iterable[dict], work: Callable[[dict], None]) -> None:
        """Do the work for one client after the other: one that fails keeps no other waiting, a server that gives no
        answer ends it for all."""
        away = ""
        for client in clients:
            if away:
                client["stopped"] = away
                continue
            try:
                work(client)
            except ServerError as error:
                client["failed"] = client["failed"] or str(error)
                client["stopped"] = away = error.away
            except NOT_UNDERSTOOD as error:
                client["failed"] = client["failed"] or not_understood(error)

    def each_with(self, clients: list[dict], read: Callable[[], Any], work: Callable[[dict, Any], None]) -> None:
        """`read_first` about all of them, then `each` with what it returned."""
        found = self.read_first(clients, read)
        if found is not None:
            self.each(clients, lambda client: work(client, found))

    def read_first(self, clients: list[dict], read: Callable[[], Any]) -> Any:
        """What `read` returns, which is about all these clients; None if it cannot be had: then none of them goes on,
        and the first has the reason."""
        try:
            return read() if clients else None
        except ServerError as error:
            for client in clients:
                client["stopped"] = error.away or "a server"
            clients[0]["failed"] = clients[0]["failed"] or str(error)
            return None


def going_on(clients: list[dict]) -> list[dict]:
    """Those for which a task still has something to do."""
    return [c for c in clients if not (c["failed"] or c["stopped"])]


def open_clients(clients: list[dict]) -> list[dict]:
    """The same without the admins, who are no client."""
    return [c for c in going_on(clients) if c["team"]]


def closed_clients(clients: list[dict]) -> list[dict]:
    """The clients whose folder is known to be closed, those that `failed` after that as well."""
    return [c for c in clients if c["team"] and c["is_closed"] and c["stopped"] != "Grafana"]


def stop_all(clients: list[dict]) -> None:
    """Where Grafana gave no answer to one, nothing more is asked of it for any."""
    if any(c["stopped"] == "Grafana" for c in clients):
        for client in clients:
            client["stopped"] = "Grafana"
