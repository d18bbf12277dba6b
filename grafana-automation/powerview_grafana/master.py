"""The Master dashboard: whether it can be cloned, the file that comes with PowerView, its time zone and language.

It belongs to the admins: it is imported where there is none, and after that the one in Grafana counts.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from powerview.settings import Settings
from powerview_grafana import found
from powerview_grafana.addresses import ADMIN_FOLDER_UID, MAIN_ORG, MASTER_UID, SAVE
from powerview_grafana.dashboard import (
    FILE_CONSTANT,
    IN_V2,
    SAVE_AS_CLASSIC,
    constants,
    in_time_zone,
    master_problem,
    save_body,
)
from powerview_grafana.language import in_language
from powerview_grafana.run import Run
from powerview_grafana.servers import Server, ServerError
from powerview_grafana.tree import UsageError

FILE = Path(__file__).resolve().parents[1] / "dashboards" / "master.json"
NEWER = (
    "dashboards/master.json is not the file that Grafana's Master was made from. The Master stays as it is; "
    "update_dashboards.yml with POWERVIEW_MASTER=file takes the file."
)
NOW_SET = (
    "powerview: the {what} is {value} now, for campaigns from now on: update_dashboards.yml brings it to those that "
    "are there."
)
LANGUAGE_NAMES = {"en": "English", "fr": "French"}
LOGGERS_UID = "powerview-loggers"


def read(grafana: Server) -> tuple[dict | None, str]:
    """The Master as Grafana has it (None if it has none, or in a schema that cannot be read back), and why it cannot
    be cloned, with what to do; empty if it can. The playbooks and `check` use the same words."""
    content, in_v2 = found.classic(grafana, MASTER_UID, MAIN_ORG)
    if in_v2:
        return None, f"the Master {IN_V2}. {SAVE_AS_CLASSIC}"
    return content, master_problem(content) if content else ""


def from_file(settings: Settings) -> dict:
    """The Master as the project brings it, in the time zone and language of the settings. Raises UsageError if it
    cannot be cloned."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    if problem := "elements" in content and IN_V2 or master_problem(content):
        raise UsageError(f"{FILE}: {problem}")
    mark = {
        "name": FILE_CONSTANT, "type": "constant", "hide": 2, "query": fingerprint(), "skipUrlSync": True,
        "current": {"text": fingerprint(), "value": fingerprint()},
    }  # fmt: skip
    content = in_language(content, settings.language)
    in_time_zone(content, settings.timezone.key)
    content["templating"]["list"].append(mark)
    return {k: v for k, v in content.items() if k not in ("id", "version")}


def fingerprint() -> str:
    """The first digits of a hash of the file's content."""
    return hashlib.sha1(FILE.read_bytes(), usedforsecurity=False).hexdigest()[:12]


def take_file(run: Run, admin: dict) -> None:
    """Put the file in the place of Grafana's Master. Does nothing if that was made from it and not edited since."""
    wanted, (content, problem) = from_file(run.settings), read(run.grafana)
    version = (content or {}).get("version") or _stored_version(run.grafana, MASTER_UID)
    if content and not problem and all(content.get(k) == v for k, v in wanted.items()):
        return
    if run.change(admin, admin["campaigns"][0]["steps"], "taken from dashboards/master.json", None, fingerprint()):
        save(run, {**wanted, "version": version}, "From dashboards/master.json", "Take the Master's file")


def keep_as_set(run: Run, admin: dict) -> None:
    """Bring Master and "Loggers" to POWERVIEW_TIMEZONE and POWERVIEW_LANGUAGE, and note what that means for the
    clones. Texts that a person wrote stay."""
    zone, language, campaign = run.settings.timezone.key, run.settings.language, admin["campaigns"][0]
    for uid, name in ((MASTER_UID, "Master"), (LOGGERS_UID, "Loggers")):
        before, _ = found.classic(run.grafana, uid, MAIN_ORG)
        if before is None:
            continue
        content = in_language(before, language)
        changed = {"language": LANGUAGE_NAMES[language]} if content != before else {}
        if constants(content).get("timezone") not in (None, "", zone):
            in_time_zone(content, zone)
            changed = {"time zone": zone, **changed}
        if not changed:
            continue
        steps = campaign["steps"] if uid == MASTER_UID else admin["steps"]
        what = " and ".join(changed)
        if run.change(admin, steps, f"{what} of {name}", None, changed):
            message = f"{what} {', '.join(changed.values())}".capitalize()
            save(run, content, message, f"Save {name}")
        if uid == MASTER_UID:
            run.notes += [NOW_SET.format(what=what, value=value) for what, value in changed.items()]


def note_newer_file(run: Run) -> None:
    """Note for whoever runs the playbook by hand that Grafana's Master was not made from this file."""
    content, problem = read(run.grafana)
    if content and not problem and constants(content).get(FILE_CONSTANT) != fingerprint():
        run.notes.append(NEWER)


def save(run: Run, content: dict, message: str, task: str) -> None:
    """Save one of the admins' dashboards over the version that it names. Raises ServerError if somebody was quicker."""
    run.write(task, "POST", SAVE, save_body(content, ADMIN_FOLDER_UID, message), org=MAIN_ORG)


def _stored_version(grafana: Server, uid: str) -> int:
    # The version of a dashboard in the new schema, which the old address does not show.
    stored = found.stored(grafana, uid, MAIN_ORG)
    if not stored:
        raise ServerError("Grafana has no Master (uid powerview-master): run create_grafana_resources.yml first.")
    return stored["metadata"]["generation"]
