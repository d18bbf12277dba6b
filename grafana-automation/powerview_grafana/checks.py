"""What `python -m powerview check` reports about Grafana: the playbooks' own tests, in the same words."""

from __future__ import annotations

from typing import NamedTuple

from powerview.settings import Settings, SettingsError
from powerview_grafana import found, login, master
from powerview_grafana.addresses import MAIN_ORG
from powerview_grafana.servers import ServerError

SWEEP = "The next sweep makes it: on-upload.sh sweep."


class Finding(NamedTuple):
    """One thing that was looked at: its name, what was found, and what is wrong, with what to do (empty: nothing)."""

    name: str
    found: str
    problem: str = ""


def look(settings: Settings) -> list[Finding]:
    """The login that the playbooks work with, the Master and the dashboard "Loggers".

    It logs in as the playbooks do, and changes nothing. Where Grafana gives no answer, or lets us not in, that is the
    last finding.
    """
    findings = []
    try:
        grafana = login.of_the_playbooks(settings)
        content, problem = master.read(grafana)  # a login that is refused is refused here
        name = login.name(grafana, settings)
        findings.append(Finding("Grafana's login", f"{name} can log in"))
        if content is None and not problem:
            problem = f"Grafana has no Master (uid powerview-master). {SWEEP}"
        findings.append(Finding("Master", "can be cloned", problem))
        loggers, in_v2 = found.classic(grafana, master.LOGGERS_UID, MAIN_ORG)
        missing = "" if loggers or in_v2 else (
            'Grafana has no dashboard "Loggers" (uid powerview-loggers): it reads it at its start from '
            "grafana-automation/dashboards/provisioned, which its user must be able to read."
        )  # fmt: skip
        findings.append(Finding("Loggers", "is there", missing))
    except (ServerError, SettingsError) as error:
        findings.append(Finding("Grafana's login", "", str(error)))
    return findings
