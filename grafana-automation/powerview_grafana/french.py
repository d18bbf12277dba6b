"""The dashboards' texts in English and French: one table, by the English text. Its length is that of the table.

A text that a dashboard shows and that is missing here is found by a test, and so is one that none shows any more. What
several dashboards show is here once.
"""

from __future__ import annotations

from powerview.french import typeset
from powerview_grafana import french_descriptions

UNITS = {"dtdurations": "dthms"}
"""Grafana's units that write English words, and what French dashboards have instead: hours, minutes and seconds."""
UNITS_OF_TILES = {"s": "dtdhms"}

_TEXTS = {
    # The Master: variables, annotations
    "Campaign": "Campagne",
    "Timezone": "Fuseau horaire",
    "Device": "Appareil",
    "Source": "Origine",
    "Ready": "Prêt",
    "Unit": "Unité",
    "Channel": "Voie",
    "Subscribed power, kW": "Puissance souscrite, kW",
    "Restarts": "Redémarrages",
    "Restart of the logger": "Redémarrage de l'enregistreur",
    "Clock not set": "Horloge non réglée",
    "Clock of the logger not set": "Horloge de l'enregistreur non réglée",
    # At a glance
    "At a glance": "En bref",
    "Power now": "Puissance actuelle",
    "Peak power": "Puissance de pointe",
    "Mean power": "Puissance moyenne",
    "Energy": "Énergie",
    "Drawn": "Énergie soutirée",
    "Fed in": "Énergie injectée",
    "Production": "Énergie produite",
    "Energy of the parts": "Énergie des parties",
    "Rest": "Reste",
    "Coverage": "Taux de couverture",
    "Last reading": "Dernière mesure",
    "Not counted: channels in other units": "Non comptées : voies dans d'autres unités",
    "Hidden by channels.csv: $1": "Masquées par channels.csv : $1",
    # Power
    "Power": "Puissance",
    "Total power": "Puissance totale",
    "Power produced": "Puissance produite",
    "Parts": "Parties",
    "Power by channel": "Puissance par voie",
    # Energy and coverage
    "Energy and coverage": "Énergie et couverture",
    "Energy per day": "Énergie par jour",
    "Share by channel": "Répartition par voie",
    "Share": "Part",
    "Coverage over time": "Couverture dans le temps",
    "No readings": "Aucune mesure",
    "Some missing": "Incomplet",
    "Complete": "Complet",
    "No device": "Aucun appareil",
    # Energy by channel
    "Energy by channel": "Énergie par voie",
    "Energy per day by channel": "Énergie par jour et par voie",
    # Voltages and channels
    "Voltages and channels": "Tensions et voies",
    "Phase voltages": "Tensions des phases",
    "Minimum, mean and maximum": "Minimum, moyenne et maximum",
    "Mean": "Moyenne",
    # Load profile
    "Load profile": "Profil de charge",
    "Mean power by hour and weekday, kW": "Puissance moyenne par heure et jour, kW",
    "Hour": "Heure",
    "Hours behind each cell": "Nombre d'heures par case",
    "Mean day": "Journée moyenne",
    "Mon": "Lun",
    "Tue": "Mar",
    "Wed": "Mer",
    "Thu": "Jeu",
    "Fri": "Ven",
    "Sat": "Sam",
    "Sun": "Dim",
    "Monday to Friday": "Du lundi au vendredi",
    "Saturday and Sunday": "Samedi et dimanche",
    # Base load and peaks
    "Base load and peaks": "Talon et pointes",
    "Base load": "Talon",
    "Base load's share of the energy": "Part du talon dans l'énergie",
    "Load factor": "Facteur de charge",
    "Hours above the subscribed power": "Heures > puissance souscrite",
    "Type in the subscribed power, in kW, at the top": "Saisissez la puissance souscrite, en kW, en haut",
    "Load duration curve": "Monotone de charge",
    "Hours": "Heures",
    "The ten highest means": "Les dix moyennes les plus élevées",
    "Begin": "Début",
    "Mean of": "Moyenne sur",
    # Voltage
    "Voltage": "Tension",
    "Voltage by week": "Tension par semaine",
    "Week": "Semaine",
    "Ten-minute means": "Moyennes sur dix minutes",
    "Outside ±10 %": "Hors ±10 %",
    "Share outside ±10 %": "Part hors ±10 %",
    "Outside +10/−15 %": "Hors +10/−15 %",
    "Lowest and highest voltage": "Tensions la plus basse et la plus haute",
    "Lowest": "Plus basse",
    "Highest": "Plus haute",
    "Lowest at": "Plus basse le",
    "Highest at": "Plus haute le",
    "Phases never connected": "Phases jamais raccordées",
    # Data
    "Data": "Données",
    "Coverage by device": "Taux de couverture par appareil",
    "Without readings": "Sans mesure",
    "Gaps of more than an hour": "Lacunes de plus d'une heure",
    "From": "Du",
    "To": "Au",
    "Length": "Durée",
    "Wiring to check": "Câblage à vérifier",
    "To check": "À vérifier",
    "A phase at half voltage: is it connected?": "Une phase à mi-tension : est-elle raccordée ?",
    "Always under 1 W: is the clamp closed, is the circuit in use?": (
        "Toujours sous 1 W : la pince est-elle fermée, le circuit est-il utilisé ?"
    ),
    "Looks like a voltage: is it in the right input?": "Ressemble à une tension : est-elle sur la bonne entrée ?",
    "Mostly negative: feeds in, or the clamp is the wrong way round": (
        "Négative la plupart du temps : injection, ou pince montée à l'envers"
    ),
    "Below zero": "Sous zéro",
    "Channels that changed": "Voies modifiées",
    "Input": "Entrée",
    "Label": "Libellé",
    # Other units
    "Other units": "Autres unités",
    "Other units ${other:raw}": "Autres unités ${other:raw}",
    # Where there is nothing to show
    "No reading": "Pas de mesure",
    "None": "Aucune",
    "No power readings in this time range": "Aucune mesure de puissance sur cette période",
    "No channels.csv in force, or no energy in this time range": (
        "Aucun channels.csv en vigueur, ou aucune énergie sur cette période"
    ),
    "No energy in this time range": "Aucune énergie sur cette période",
    "No readings in this time range": "Aucune mesure sur cette période",
    "No voltage readings of these devices in this time range": (
        "Aucune mesure de tension de ces appareils sur cette période"
    ),
    "No day with 90 % coverage": "Aucun jour couvert à 90 %",
    "No readings of this campaign in this time range": "Aucune mesure de cette campagne sur cette période",
    "No gaps of more than an hour": "Aucune lacune de plus d'une heure",
    "Nothing to check": "Rien à vérifier",
    "No label, unit or input changed": "Aucun libellé, ni unité, ni entrée modifié",
    "No readings in other units in this time range": "Aucune mesure dans d'autres unités sur cette période",
    # The overview
    "Overview": "Vue d'ensemble",
    "Campaigns": "Campagnes",
    "Devices": "Appareils",
    "State": "État",
    "Running": "En cours",
    "Finished": "Terminée",
    "Open the dashboard": "Ouvrir le tableau de bord",
    "Last reading of each device": "Dernière mesure de chaque appareil",
    # "Loggers"
    "Loggers": "Enregistreurs",
    "Uploads": "Envois",
    "Readings": "Mesures",
    "Torn files": "Fichiers tronqués",
    "Errors": "Erreurs",
    "Last upload": "Dernier envoi",
    "none": "aucun",
    "Silent loggers": "Enregistreurs muets",
    "No logger is silent": "Aucun enregistreur n'est muet",
    "Silent for": "Muet depuis",
    "Last delivery": "Dernière livraison",
    "Logger": "Enregistreur",
    "Torn": "Tronqués",
    "Clock unset": "Horloge",
    "Lag": "Retard",
    "Readings per day": "Mesures par jour",
    "whole": "complets",
    "cut or damaged": "coupés ou abîmés",
    "error": "erreur",
    "longest": "le plus long",
    "mean": "moyenne",
    "Throughput": "Débit",
    "readings per second": "mesures par seconde",
    "mean time per file": "durée moyenne par fichier",
    "Deliveries of $client": "Livraisons de $client",
    "no logger": "aucun enregistreur",
    "Errors and torn files": "Erreurs et fichiers tronqués",
    "Arrived": "Arrivé",
    "Status": "Statut",
    "torn": "tronqué",
    "File": "Fichier",
    "Reason": "Raison",
}

SAME = ("Ch", "Client", "Master", "Max", "Min", "Phase", "SN", "Total")
"""What is written alike in both languages."""


FRENCH = {english: typeset(french) for english, french in (_TEXTS | french_descriptions.TEXTS).items()}
