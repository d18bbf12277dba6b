"""What is wrong and what to do, in the admin's language: one table, English and French beside each other.

Its length is that of the table. The English text is also what `check` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from powerview.ingest.journal import printable
from powerview.settings import LANGUAGES

ENGLISH = LANGUAGES[0]


class Texts(NamedTuple):
    """One text in each language, in the order of LANGUAGES."""

    en: str
    fr: str


class Problem(NamedTuple):
    """What was found and what to do about it."""

    found: Texts
    remedy: Texts


@dataclass(frozen=True)
class Phrase:
    """A few words of PHRASES that stand for a value in another text."""

    key: str
    number: float = 0


def render(texts: Texts, language: str, **values: object) -> str:
    """The text in `language`, with values that may come from outside on one line."""
    return texts[LANGUAGES.index(language)].format(**{name: _value(value, language) for name, value in values.items()})


def in_english(value: Phrase | str) -> str:
    """A value as the English texts have it."""
    return str(_value(value, ENGLISH))


def _value(value: object, language: str) -> object:
    if isinstance(value, Phrase):
        return render(PHRASES[value.key], language, number=value.number)
    return printable(value) if isinstance(value, str) else value


ALL_ACCESS = Texts(
    "Make an all-access token on InfluxDB's page (Load Data, API Tokens, Generate, All Access) and set it in {env}.",
    "Créez un jeton « All Access » sur la page d'InfluxDB (Load Data, API Tokens, Generate) et indiquez-le dans {env}.",
)
COPY = "Copy deploy/sftpgo.env to the end of /etc/sftpgo/sftpgo.env and restart SFTPGo."
COPIE = "Copiez deploy/sftpgo.env à la fin de /etc/sftpgo/sftpgo.env et redémarrez SFTPGo."
NO_REMEDY = Texts("", "")

PROBLEMS: dict[str, Problem] = {
    # settings
    "settings_missing": Problem(
        Texts("{names} not set", "{names} : pas de valeur"),
        Texts("Set it in {env}.", "À indiquer dans {env}."),
    ),
    "settings_wrong": Problem(Texts("{error}", "{error}"), NO_REMEDY),
    "env_open": Problem(
        Texts("{env} is open to everybody on this machine", "{env} est lisible par tous sur cette machine"),
        Texts("chmod o= {env}", "chmod o= {env}"),
    ),
    "env_closed": Problem(
        Texts(
            "{env} belongs to {owner} alone: {user}, who owns the tree, cannot read it",
            "{env} n'appartient qu'à {owner} : {user}, à qui l'arborescence appartient, ne peut pas le lire",
        ),
        Texts("chown {user}: {env}", "chown {user}: {env}"),
    ),
    # InfluxDB
    "influxdb_unnamed": Problem(
        Texts("none is named", "aucun n'est indiqué"),
        Texts(
            "Set INFLUXDB_HOST; until then readings go to line protocol files.",
            "Indiquez INFLUXDB_HOST ; d'ici là, les mesures vont dans des fichiers « line protocol ».",
        ),
    ),
    "influxdb_away": Problem(
        Texts("does not answer at {url} ({why})", "ne répond pas à {url} ({why})"),
        Texts(
            "Is it running, and is INFLUXDB_HOST ({url}) right?",
            "Est-il démarré, et INFLUXDB_HOST ({url}) est-il correct ?",
        ),
    ),
    "influxdb_other": Problem(
        Texts("what answers at {url} is no InfluxDB 2", "ce qui répond à {url} n'est pas un InfluxDB 2"),
        Texts(
            "Is it running, and is INFLUXDB_HOST ({url}) right?",
            "Est-il démarré, et INFLUXDB_HOST ({url}) est-il correct ?",
        ),
    ),
    "token_refused": Problem(
        Texts("INFLUXDB_ADMIN_TOKEN is not accepted ({why})", "INFLUXDB_ADMIN_TOKEN est refusé ({why})"), ALL_ACCESS
    ),
    "organisation_unseen": Problem(
        Texts("the token sees {seen}, not {wanted}", "le jeton voit {seen}, pas {wanted}"),
        Texts(
            "Set INFLUXDB_ORG, or make the token in that organisation.",
            "Corrigez INFLUXDB_ORG, ou créez le jeton dans cette organisation.",
        ),
    ),
    "token_limited": Problem(
        Texts(
            "may not do all that PowerView does: make buckets, write to them, make tokens ({why})",
            "n'a pas tous les droits dont PowerView a besoin : créer des buckets, y écrire, créer des jetons ({why})",
        ),
        ALL_ACCESS,
    ),
    "bucket_missing": Problem(
        Texts("the bucket {bucket} (INFLUXDB_BUCKET) is missing", "le bucket {bucket} (INFLUXDB_BUCKET) n'existe pas"),
        Texts("The first upload makes it.", "Le premier envoi le crée."),
    ),
    "write_refused": Problem(
        Texts("cannot write to {bucket} ({why})", "ne peut pas écrire dans {bucket} ({why})"),
        Texts(
            "InfluxDB's own log says why; is its disk full or read-only? Restart it when that is repaired.",
            "Le journal d'InfluxDB dit pourquoi ; son disque est-il plein ou en lecture seule ? Redémarrez-le ensuite.",
        ),
    ),
    # Grafana
    "grafana_away": Problem(
        Texts("does not answer at {url} ({why})", "ne répond pas à {url} ({why})"),
        Texts(
            "Is it running, and is GRAFANA_URL ({url}) right?",
            "Est-il démarré, et GRAFANA_URL ({url}) est-il correct ?",
        ),
    ),
    "grafana_login": Problem(Texts("{problem}", "connexion impossible : {problem}"), NO_REMEDY),
    "master_unusable": Problem(Texts("{problem}", "ne peut pas être cloné : {problem}"), NO_REMEDY),
    "loggers_missing": Problem(Texts("{problem}", "n'existe pas : {problem}"), NO_REMEDY),
    "source_unread": Problem(Texts("it cannot be asked ({why})", "impossible de le savoir ({why})"), NO_REMEDY),
    "source_missing": Problem(
        Texts("the data source powerview-master is not there", "la source de données powerview-master n'existe pas"),
        Texts("The next sweep makes it: on-upload.sh sweep.", "Le prochain passage la crée : on-upload.sh sweep."),
    ),
    "source_broken": Problem(
        Texts("it cannot ({why})", "il n'y arrive pas ({why})"),
        Texts(
            "INFLUXDB_URL ({url}) must be InfluxDB's address as Grafana sees it.",
            "INFLUXDB_URL ({url}) doit être l'adresse d'InfluxDB vue de Grafana.",
        ),
    ),
    # this machine
    "folder_missing": Problem(
        Texts(
            "{folder} is no folder that this user can see", "{folder} n'est pas un dossier visible pour cet utilisateur"
        ),
        Texts(
            "mkdir -p {folder}, owned by the user that runs SFTPGo.",
            "mkdir -p {folder}, appartenant à l'utilisateur de SFTPGo.",
        ),
    ),
    "folder_owner": Problem(
        Texts("{folder} belongs to {owner}, not to {user}", "{folder} appartient à {owner}, pas à {user}"),
        Texts("chown -R {user}: {folder}", "chown -R {user}: {folder}"),
    ),
    "folder_closed": Problem(
        Texts(
            "{folder} cannot be written by its owner {owner}",
            "{owner}, à qui {folder} appartient, ne peut pas y écrire",
        ),
        Texts("chmod u+rwx {folder}", "chmod u+rwx {folder}"),
    ),
    "tree_closed": Problem(
        Texts(
            "{folder} belongs to {owner}: {worker} cannot work in it",
            "{folder} appartient à {owner} : {worker} ne peut pas y travailler",
        ),
        Texts("chown -R {user}: {data}", "chown -R {user}: {data}"),
    ),
    "hook_missing": Problem(
        Texts("{hook} is not there", "{hook} n'existe pas"), Texts("git checkout it.", "git checkout le rétablit.")
    ),
    "mounted_closed": Problem(
        Texts("{path} cannot be read by Grafana's container", "le conteneur de Grafana ne peut pas lire {path}"),
        Texts(
            "chmod -R go+rX {folder}, then podman-compose restart grafana",
            "chmod -R go+rX {folder}, puis podman-compose restart grafana",
        ),
    ),
    "hook_not_executable": Problem(
        Texts("{hook} cannot be executed", "{hook} n'est pas exécutable"),
        Texts("chmod +x {hook}", "chmod +x {hook}"),
    ),
    "sftpgo_unset": Problem(
        Texts("nothing is set in {files}", "rien n'est réglé dans {files}"),
        Texts(
            f"{COPY} If its settings are elsewhere, name the file with --sftpgo-env.",
            f"{COPIE} Si ses réglages sont ailleurs, indiquez le fichier avec --sftpgo-env.",
        ),
    ),
    "sftpgo_other_hook": Problem(
        Texts("its hook is {hook}, not {wanted}", "son hook est {hook}, pas {wanted}"), Texts(COPY, COPIE)
    ),
    "sftpgo_no_hook": Problem(
        Texts("its hook is not set, not {wanted}", "il n'a pas de hook ; il faut {wanted}"), Texts(COPY, COPIE)
    ),
    "sftpgo_sync": Problem(
        Texts(
            "EXECUTE_SYNC names upload: an upload whose hook fails is deleted",
            "EXECUTE_SYNC contient upload : un envoi dont le hook échoue est supprimé",
        ),
        Texts(
            "Remove SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC and restart SFTPGo.",
            "Retirez SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC et redémarrez SFTPGo.",
        ),
    ),
    "sftpgo_events": Problem(
        Texts("it does not run {hook} for {events}", "il n'exécute pas {hook} pour {events}"),
        Texts(
            "SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir,upload,rename (see deploy/sftpgo.env).",
            "SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir,upload,rename (voir deploy/sftpgo.env).",
        ),
    ),
    "timer_inactive": Problem(
        Texts("{unit} is {state}", "{unit} est dans l'état {state}"),
        Texts("systemctl enable --now {unit} (see deploy/).", "systemctl enable --now {unit} (voir deploy/)."),
    ),
    "unit_inactive": Problem(
        Texts("is {state}", "dans l'état {state}"),
        Texts(
            "systemctl restart {unit}; journalctl -u {unit} says why it ended.",
            "systemctl restart {unit} ; journalctl -u {unit} dit pourquoi il s'est arrêté.",
        ),
    ),
    "sweep_failed": Problem(
        Texts("the last sweep failed", "le dernier passage a échoué"),
        Texts("journalctl -u {unit} says why.", "journalctl -u {unit} dit pourquoi."),
    ),
    "disk_full": Problem(
        Texts("{free:.1f} GiB free of {total:.1f} at {folder}", "{free:.1f} Gio libres sur {total:.1f} à {folder}"),
        Texts(
            "Make room: a full disk keeps files pending.",
            "Faites de la place : avec un disque plein, les fichiers restent en attente.",
        ),
    ),
    "check_failed": Problem(
        Texts("what belongs to {part} could not be looked at: {why}", "{part} : l'examen a échoué : {why}"),
        Texts("python -m powerview check shows it.", "python -m powerview check le montre."),
    ),
    # lanes and uploads
    "lane_failed": Problem(
        Texts("ended with status {status}{why}", "terminé avec le statut {status}{why}"),
        Texts("{log} has more; on-upload.sh sweep tries again.", "Voir {log} ; on-upload.sh sweep essaie de nouveau."),
    ),
    "lane_stuck": Problem(
        Texts("has not ended for {hours:.0f} hours", "ne s'est pas terminé depuis {hours:.0f} heures"),
        Texts("Look for its process (ps) and at {log}.", "Cherchez son processus (ps) et regardez {log}."),
    ),
    "fleet_silent": Problem(
        Texts("{last}: nothing for {hours:.0f} hours", "{last} : plus rien depuis {hours:.0f} heures"),
        Texts(
            "Do the loggers reach SFTPGo (port 2022), and does SFTPGo run the hook?",
            "Les enregistreurs joignent-ils SFTPGo (port 2022), et SFTPGo exécute-t-il le hook ?",
        ),
    ),
    "logger_silent": Problem(
        Texts(
            "{device} ({place}) has delivered nothing for {hours:.0f} hours",
            "{device} ({place}) n'a rien envoyé depuis {hours:.0f} heures",
        ),
        Texts(
            "Powered? Connected? Can it reach port 2022?",
            "Est-il alimenté ? Connecté ? Peut-il joindre le port 2022 ?",
        ),
    ),
    "in_error": Problem(
        Texts("{path}: {why}", "{path} : {why}"),
        Texts("Move the file away when that is seen to.", "Déplacez le fichier une fois le problème réglé."),
    ),
    "pending": Problem(
        Texts("{path} has waited for {hours:.0f} h{why}", "{path} attend depuis {hours:.0f} h{why}"),
        Texts(
            "uploads.log says why; on-upload.sh sweep tries it now.",
            "uploads.log dit pourquoi ; on-upload.sh sweep essaie tout de suite.",
        ),
    ),
    "refused": Problem(
        Texts("{path}: {why}", "{path} : {why}"),
        Texts(
            "Rename or move it: the next sweep takes it.",
            "Renommez ou déplacez-le : le prochain passage le prend.",
        ),
    ),
    "tree_unreadable": Problem(
        Texts("{folder} cannot be read: {why}", "{folder} ne peut pas être lu : {why}"),
        Texts("Look at its owner.", "Vérifiez à qui il appartient."),
    ),
}

PHRASES: dict[str, Texts] = {
    "no_connection": Texts("no connection", "pas de connexion"),
    "not_trusted": Texts("its certificate is not accepted", "son certificat n'est pas accepté"),
    "no_answer": Texts("no answer within {number:.0f} s", "pas de réponse en {number:.0f} s"),
    "no_reason": Texts("no reason was written beside it", "aucune raison n'est écrite à côté"),
}

NAMED = Texts("{name}: ", "{name} : ")

# What an item is called, where that is no name that is the same everywhere (InfluxDB, a variable, a systemd unit).
NAMES: dict[str, Texts] = {
    "settings": Texts("settings", "réglages"),
    "secrets": Texts("secrets", "secrets"),
    "organisation": Texts("organisation", "organisation"),
    "token": Texts("token", "jeton"),
    "Grafana's login": Texts("Grafana's login", "connexion à Grafana"),
    "Grafana reads InfluxDB": Texts("Grafana reads InfluxDB", "Grafana lit InfluxDB"),
    "ownership": Texts("ownership", "propriétaire"),
    "timer": Texts("timer", "minuterie"),
    "Grafana's files": Texts("Grafana's files", "fichiers de Grafana"),
    "disk": Texts("disk", "disque"),
    "ingest lane": Texts("ingest lane", "lecture des fichiers"),
    "provision lane": Texts("provision lane", "création des tableaux de bord"),
    "last upload": Texts("last upload", "dernier envoi"),
    "silent loggers": Texts("silent loggers", "enregistreurs muets"),
    "files in error/": Texts("files in error/", "fichiers dans error/"),
    "pending files": Texts("pending files", "fichiers en attente"),
    "refused files": Texts("refused files", "fichiers refusés"),
    "notifications": Texts("notifications", "notifications"),
    "check": Texts("check", "examen"),
}

# The message itself.
MESSAGE: dict[str, Texts] = {
    "title": Texts("PowerView on {host}: {parts}", "PowerView sur {host} : {parts}"),
    "count_new": Texts("{count} new", "{count} nouveau(x)"),
    "count_still": Texts("{count} still there", "{count} toujours là"),
    "count_over": Texts("{count} over", "{count} terminé(s)"),
    "new": Texts("Something is wrong:", "Un problème est apparu :"),
    "still": Texts("Still wrong:", "Toujours là :"),
    "over": Texts("Over:", "Terminé :"),
    "since": Texts(" (since {time})", " (depuis le {time})"),
    "ended": Texts(" (lasted {duration})", " (a duré {duration})"),
    "passed": Texts(" (from {time}, lasted {duration})", " (à partir du {time}, a duré {duration})"),
    "more": Texts("and {count} more ({name})", "et {count} de plus ({name})"),
    "more_lines": Texts(
        "and {count} more lines: python -m powerview check shows all",
        "et {count} lignes de plus : python -m powerview check montre tout",
    ),
    "test_title": Texts("PowerView on {host}: a test", "PowerView sur {host} : un essai"),
    "test": Texts(
        "This is a test (python -m powerview watch --test). When something is wrong, a message like this one says so.",
        "Ceci est un essai (python -m powerview watch --test). Un problème serait annoncé par un tel message.",
    ),
    "minutes": Texts("{count:.0f} min", "{count:.0f} min"),
    "hours": Texts("{count:.0f} h", "{count:.0f} h"),
    "days": Texts("{count:.0f} days", "{count:.0f} jours"),
}
