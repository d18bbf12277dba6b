"""The preview page's texts in English and French: one table, by the English text. Its length is that of the table.

A test finds a text of the page that is missing here, and one that the page does not use any more.
"""

from __future__ import annotations

from powerview.french import typeset

_TEXTS = {
    # head
    "Made by PowerView {version} on {made} from the loggers' files. Times and days are those of {zone}.": (
        "Fait par PowerView {version} le {made} à partir des fichiers des enregistreurs. Heures et jours de {zone}."
    ),
    "Every channel is hidden by channels.csv, or its group is never whole.": (
        "Toutes les voies sont masquées par channels.csv, ou leur groupe n'est jamais complet."
    ),
    "There is no reading yet.": "Il n'y a pas encore de mesure.",
    "to {day}": "au {day}",
    "device": "appareil",
    "devices": "appareils",
    "{devices}, {n} channels": "{devices}, {n} voies",
    "readings": "mesures",
    "of the time covered": "du temps couvert",
    "file": "fichier",
    "files": "fichiers",
    "{n} not complete": "incomplets : {n}",
    # totals
    "drawn": "énergie soutirée",
    "fed in": "énergie injectée",
    "production": "production",
    "rest": "reste",
    "Drawn and fed in: the total of each ten minutes by its sign, never netted; a change of sign within ten minutes is "
    "not seen.": (
        "Soutirée et injectée : le total de chaque tranche de dix minutes selon son signe, jamais compensé ; un "
        "changement de signe à l'intérieur de dix minutes ne se voit pas."
    ),
    "Rest: total + production − parts.": "Reste : total + production − parties.",
    "Not counted: {what}.": "Non compté : {what}.",
    "no unit": "sans unité",
    "{name} (its channels are never there together)": "{name} (ses voies ne sont jamais présentes ensemble)",
    "{n} hidden channel": "{n} voie masquée",
    "{n} hidden channels": "{n} voies masquées",
    "{names} and {n} more": "{names} et {n} de plus",
    # curves
    "Last day": "Dernier jour",
    "Last week": "Dernière semaine",
    "Last month": "Dernier mois",
    "Whole period": "Toute la période",
    "There are too many readings to draw each of them: a point of a curve is the mean of a day, or of {bucket} once no "
    "more than {days} days are shown; the band reaches from the lowest reading to the highest. Where less than half of "
    "that time has readings, no mean is drawn.": (
        "Il y a trop de mesures pour les tracer toutes : un point d'une courbe est la moyenne d'un jour, ou de "
        "{bucket} quand {days} jours au plus sont affichés ; la bande va de la plus basse à la plus haute mesure. Là "
        "où moins de la moitié de ce temps a des mesures, aucune moyenne n'est tracée."
    ),
    "Curves show every reading.": "Les courbes montrent chaque mesure.",
    "Lines break where readings are missing.": "Les lignes s'interrompent là où des mesures manquent.",
    "Shown first: the longest stretch with readings, {begin} to {end}.": (
        "Affichée d'abord : la plus longue période avec des mesures, du {begin} au {end}."
    ),
    "Power": "Puissance",
    "Voltage": "Tension",
    "Readings": "Mesures",
    "{what} in {unit}": "{what} en {unit}",
    "Energy per day in kWh": "Énergie par jour en kWh",
    # the table of channels
    "Channels": "Voies",
    "Device": "Appareil",
    "Channel": "Voie",
    "Role": "Rôle",
    "main": "ensemble",
    "part": "partie",
    "Covered": "Couvert",
    "Mean": "Moyenne",
    "Base load": "Talon",
    "Lowest": "Minimum",
    "Highest": "Maximum",
    "Unit": "Unité",
    "Highest at": "Maximum le",
    "Energy": "Énergie",
    "Mean: each ten minutes with readings weigh alike. Energy: the mean power of ten minutes times ten minutes; what "
    "is missing is not estimated. Base load, in W: the median of each day's 5 % quantile, over the days of which at "
    "least 90 % are covered.": (
        "Moyenne : chaque tranche de dix minutes mesurée a le même poids. Énergie : puissance moyenne de dix minutes "
        "fois dix minutes ; ce qui manque n'est pas estimé. Talon, en W : médiane des quantiles à 5 % de chaque jour, "
        "sur les jours couverts à 90 % au moins."
    ),
    "A group is the sum of its channels over each ten minutes in which all of them have readings.": (
        "Un groupe est la somme de ses voies sur chaque tranche de dix minutes où toutes ont des mesures."
    ),
    "Coverage": "Taux de couverture",
    "How much of each day has readings of a device; red is missing.": (
        "Part de chaque jour avec des mesures d'un appareil ; ce qui manque est en rouge."
    ),
    "of {hours} h": "de {hours} h",
    # files
    "Files": "Fichiers",
    "{n} of them whole with nothing left out": "dont {n} complets, sans rien d'écarté",
    "What was left out, and why ({n} {files})": "Ce qui a été écarté, et pourquoi ({n} {files})",
    "File": "Fichier",
    "State": "État",
    "Rows": "Lignes",
    "From": "Du",
    "To": "Au",
    "Left out": "Écarté",
    "Why": "Raison",
    "whole": "complet",
    "partial": "partiel",
    "not readable": "illisible",
    "waiting": "en attente",
    "Files that are not taken": "Fichiers non pris en compte",
    # what was left out
    "restart marker": "marque de redémarrage",
    "restart markers": "marques de redémarrage",
    "row without a known time": "ligne sans heure connue",
    "rows without a known time": "lignes sans heure connue",
    "row with a repeated time": "ligne à l'heure répétée",
    "rows with a repeated time": "lignes à l'heure répétée",
    "row that was cut off": "ligne coupée",
    "rows that were cut off": "lignes coupées",
    "malformed row": "ligne malformée",
    "malformed rows": "lignes malformées",
    "row with an impossible time": "ligne à l'heure impossible",
    "rows with an impossible time": "lignes à l'heure impossible",
    "cell that is no number": "case qui n'est pas un nombre",
    "cells that are no numbers": "cases qui ne sont pas des nombres",
    # remarks
    "{n} more channels had other names before.": "{n} autres voies portaient d'autres noms auparavant.",
    "{n} more channels are negative nearly all the time.": "{n} autres voies sont négatives presque tout le temps.",
    "No readings of {whose} from {begin} to {end} ({duration}).": (
        "Aucune mesure de {whose} du {begin} au {end} ({duration})."
    ),
    "No readings of {whose} from {begin} to {clock} ({duration}).": (
        "Aucune mesure de {whose} du {begin} à {clock} ({duration})."
    ),
    "{n} more gaps, the longest of {duration}.": "{n} autres lacunes, la plus longue de {duration}.",
    "any device": "tous les appareils",
    "{first} and {last}": "{first} et {last}",
    "{n} devices": "{n} appareils",
    "Logger {logger} restarted on {begin}.": "L'enregistreur {logger} a redémarré le {begin}.",
    "Logger {logger} restarted {n} times, from {begin} to {end}.": (
        "L'enregistreur {logger} a redémarré {n} fois, du {begin} au {end}."
    ),
    "Logger {logger} restarted {n} times, from {begin} to {clock}.": (
        "L'enregistreur {logger} a redémarré {n} fois, du {begin} à {clock}."
    ),
    "Logger {logger} had lost its clock until {until}: its rows without a known time do not count.": (
        "L'enregistreur {logger} avait perdu l'heure jusqu'au {until} : ses lignes sans heure connue ne comptent pas."
    ),
    "Logger {logger} had lost its clock {n} more times.": "L'enregistreur {logger} a perdu l'heure {n} autres fois.",
    "{name}, channel {place} of {device}, was called {names} before.": (
        "{name}, voie {place} de {device}, s'appelait {names} auparavant."
    ),
    "{name}, channel {place} of {device}, is negative nearly all the time: it feeds in, or its clamp sits the wrong "
    "way round.": (
        "{name}, voie {place} de {device}, est négative presque tout le temps : elle injecte, ou sa pince est montée à "
        "l'envers."
    ),
    "{n} days": "{n} jours",
}

FRENCH = {english: typeset(french) for english, french in _TEXTS.items()}
