"""The texts of the report, in English and French. `{minus}` and `{dash}` are filled in with the signs."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    # --- head and foot ---
    "above": ("Measurement report", "Rapport de mesure"),
    "lead": (
        "{client}: from {first} to {last}, {channels} of {devices}, {readings}.",
        "{client} : du {first} au {last}, {channels} de {devices}, {readings}.",
    ),
    "one device": ("1 device", "1 appareil"),
    "devices": ("{n} devices", "{n} appareils"),
    "one channel": ("1 channel", "1 voie"),
    "channels": ("{n} channels", "{n} voies"),
    "one reading": ("1 reading", "1 mesure"),
    "readings": ("{n} readings", "{n} mesures"),
    "page": ("page", "page"),
    "footer": (
        "PowerView {version}: {client}, {campaign}. Days and times are those of {zone}.",
        "PowerView {version} : {client}, {campaign}. Jours et heures : {zone}.",
    ),
    "sheet": (
        "{name} is not used, and channels are shown by their labels: {problem}",
        "{name} n’est pas utilisé, les voies portent leurs libellés : {problem}",
    ),
    # --- at a glance ---
    "energy": ("Energy drawn", "Énergie soutirée"),
    "drawn": ("Drawn", "Soutirée"),
    "fed in": ("Fed in", "Injectée"),
    "energy fed in": ("Energy fed in", "Énergie injectée"),
    "production": ("Production", "Production"),
    "rest": ("Rest, not measured apart", "Reste, non mesuré à part"),
    "rest short": ("Rest", "Reste"),
    "coverage": ("Coverage", "Taux de couverture"),
    "coverage short": ("Coverage", "Couverture"),
    "of the time": ("of the time has readings", "du temps mesuré"),
    "mean power": ("Mean power", "Puissance moyenne"),
    "while measured": ("over the time with readings", "sur le temps mesuré"),
    "peak": ("Highest ten-minute mean", "Plus forte moyenne sur 10 min"),
    "base load": ("Base load", "Talon"),
    "base share": ("{share} of the energy", "{share} de l’énergie"),
    "base negative": ("negative, with production", "négatif, production comprise"),
    "load factor": ("Load factor", "Facteur de charge"),
    "mean over peak": ("mean over highest mean", "moyenne sur maximum"),
    "no whole day": ("no day with 90 % coverage", "aucun jour couvert à 90 %"),
    "subscribed": ("Above {kw} kW", "Au-dessus de {kw} kW"),
    "subscribed note": ("of subscribed power", "de puissance souscrite"),
    "in all": ("in all", "au total"),
    "a day": ("{kwh} kWh a day", "{kwh} kWh par jour"),
    # --- coverage ---
    "section coverage": ("Coverage and gaps", "Taux de couverture et lacunes"),
    "device": ("Device", "Appareil"),
    "without": ("Without readings", "Sans mesure"),
    "gaps": ("Gaps over 1 h", "Lacunes > 1 h"),
    "timeline": ("From {first} to {last}", "Du {first} au {last}"),
    "longest gaps": ("The longest gaps", "Les plus longues lacunes"),
    "from": ("From", "Du"),
    "to": ("To", "Au"),
    "length": ("Length", "Durée"),
    "no gaps": ("No gap of more than an hour.", "Aucune lacune de plus d’une heure."),
    "every device": ("every device", "tous les appareils"),
    "more gaps": ("and {n} shorter ones", "et {n} plus courtes"),
    "more devices": (
        "{n} more devices are covered for at least {share} of the time each.",
        "{n} autres appareils sont couverts au moins {share} du temps chacun.",
    ),
    "small coverage": (
        "Coverage: the share of all ten minutes of the clock that have a reading, from the first reading of all "
        "devices to the last in this period; of several devices their mean. A device is covered while one of its "
        "channels is. In the strip dark is complete, grey partly covered, white without readings; each part is "
        "{part}. A gap lasts from the first ten minutes without a reading to the next with one. What was not measured "
        "counts neither as energy nor as zero power; nothing is estimated.",
        "Taux de couverture : part des pas de dix minutes de l’horloge qui ont une mesure, de la première mesure de "
        "tous les appareils à la dernière de la période ; pour plusieurs appareils, leur moyenne. Un appareil est "
        "couvert quand une de ses voies l’est. Dans la frise, foncé : complet ; gris : partiel ; blanc : sans mesure ; "
        "chaque case représente {part}. Une lacune va du premier pas de dix minutes sans mesure au suivant qui en a "
        "une. Ce qui n’a pas été mesuré ne compte ni comme énergie ni comme puissance nulle ; rien n’est estimé.",
    ),
    "a part day": ("a day", "un jour"),
    "a part week": ("a week from Monday", "une semaine à partir du lundi"),
    "a part month": ("a month", "un mois"),
    "a part year": ("a year", "une année"),
    # --- energy by group ---
    "section energy": ("Energy by group", "Énergie par groupe"),
    "name": ("Name", "Nom"),
    "role": ("Role", "Rôle"),
    "kwh": ("kWh", "kWh"),
    "share": ("Share", "Part"),
    "mean kw": ("Mean kW", "kW moyen"),
    "highest kw": ("Highest kW", "kW max."),
    "main": ("main", "général"),
    "part": ("part", "départ"),
    "production role": ("production", "production"),
    "others": ("{n} others together", "{n} autres ensemble"),
    "no power": (
        "No channel that is shown measures a power, so there is no energy.",
        "Aucune voie affichée ne mesure une puissance : il n’y a pas d’énergie.",
    ),
    "small energy": (
        "Energy: the mean power of each ten minutes times ten minutes; ten minutes without a reading count as nothing. "
        "{total} Drawn and fed in are its positive and its negative ten minutes, added up apart and never netted; a "
        "change of sign within ten minutes is not seen. {groups} Share: of the positive energies of all {parts} "
        "together. Highest: mean of ten minutes.",
        "Énergie : puissance moyenne de chaque pas de dix minutes multipliée par dix minutes ; un pas sans mesure ne "
        "compte pas. {total} L’énergie soutirée et l’énergie injectée sont ses pas de dix minutes positifs et "
        "négatifs, additionnés à part, jamais compensés ; un changement de signe à l’intérieur d’un pas ne se voit "
        "pas. {groups} Part : de la somme des énergies positives des {parts}. Max. : moyenne sur dix minutes.",
    ),
    "parts": ("parts", "départs"),
    "all channels": ("channels", "voies"),
    "total main": (
        "The total is the sum of the main channels; rest is total + production {minus} parts.",
        "Le total est la somme des voies générales ; le reste est total + production {minus} départs.",
    ),
    "total parts": ("The total is the sum of the parts.", "Le total est la somme des départs."),
    "total channels": ("The total is the sum of all channels.", "Le total est la somme de toutes les voies."),
    "groups": (
        "A group has a value where each of its channels has a reading.",
        "Un groupe a une valeur là où chacune de ses voies a une mesure.",
    ),
    "no unit": ("no unit", "sans unité"),
    "never whole": ("{name} (its channels are never there together)", "{name} (ses voies ne sont jamais là ensemble)"),
    "hidden": ("hidden channels: {n}", "voies masquées : {n}"),
    "not counted": ("Not counted: {what}.", "Ne sont pas comptés : {what}."),
    # --- days ---
    "section day": ("Energy by day", "Énergie par jour"),
    "section week": ("Energy by week", "Énergie par semaine"),
    "section month": ("Energy by month", "Énergie par mois"),
    "section year": ("Energy by year", "Énergie par an"),
    "day": ("Day", "Jour"),
    "week": ("Week from", "Semaine du"),
    "month": ("Month", "Mois"),
    "year": ("Year", "Année"),
    "other parts": ("others", "autres"),
    "alt days": ("{kind}, in bars of the largest groups", "{kind}, en barres des plus grands groupes"),
    "small days": (
        "kWh from midnight to midnight in {zone}; the days on which the clocks change have 23 or 25 hours. Columns as "
        "in “Energy by group”; coverage: of the campaign’s time within it, mean of all devices. The first and the last "
        "hold only what lies in the period. {dash}: nothing was measured.",
        "kWh de minuit à minuit ({zone}) ; les jours de changement d’heure ont 23 ou 25 heures. Colonnes comme dans "
        "« Énergie par groupe » ; couverture : du temps de la campagne qui s’y trouve, moyenne de tous les appareils. "
        "Les premières et dernières lignes ne contiennent que la période. {dash} : rien n’a été mesuré.",
    ),
    # --- profile ---
    "section profile": ("Load profile", "Profil de charge"),
    "heat": ("Mean power by hour and weekday, {unit}", "Puissance moyenne par heure et jour de la semaine, {unit}"),
    "hour axis": ("hour of the day", "heure de la journée"),
    "mean day": ("Mean day", "Journée moyenne"),
    "weekdays": ("Monday to Friday", "Du lundi au vendredi"),
    "weekends": ("Saturday and Sunday", "Samedi et dimanche"),
    "small profile": (
        "Mean of the total in each hour of the clock in {zone}: 7 is from 07:00 to 08:00. Each hour with readings "
        "weighs alike; the small number is how many such hours a cell is the mean of. The lightest cell is the lowest, "
        "the darkest the highest. Public holidays count as the weekdays that they are.",
        "Moyenne du total pour chaque heure ({zone}) : 7 signifie de 7 h à 8 h. Chaque heure avec des mesures a le "
        "même poids ; le petit nombre indique combien d’heures forment la moyenne de la case. La case la plus claire "
        "est la plus faible, la plus foncée la plus forte. Les jours fériés comptent comme les jours de semaine qu’ils "
        "sont.",
    ),
    # --- base load and peaks ---
    "section peaks": ("Base load and peaks", "Talon et pointes"),
    "duration": ("Load duration curve", "Monotone de charge"),
    "hours axis": ("hours", "heures"),
    "subscribed line": ("Subscribed power", "Puissance souscrite"),
    "highest means": ("The ten highest ten-minute means", "Les dix plus fortes moyennes sur dix minutes"),
    "begin": ("Begin", "Début"),
    "kw": ("kW", "kW"),
    "small peaks": (
        "Base load: the median, over the days with at least 90 % coverage, of the power below which the total is for "
        "5 % of the day (each day’s 5 % quantile of ten-minute means); its share of the energy is base load over mean "
        "power. Load duration curve: for how many hours the total, as a mean over ten minutes, was at least so high. "
        "Load factor: mean power over the highest ten-minute mean.{subscribed}",
        "Talon : médiane, sur les jours couverts à 90 % au moins, de la puissance sous laquelle le total se trouve "
        "pendant 5 % de la journée (quantile à 5 % des moyennes sur dix minutes) ; sa part de l’énergie est le talon "
        "divisé par la puissance moyenne. Monotone de charge : pendant combien d’heures le total, en moyenne sur dix "
        "minutes, a été au moins aussi élevé. Facteur de charge : puissance moyenne divisée par la plus forte moyenne "
        "sur dix minutes.{subscribed}",
    ),
    "small subscribed": (
        " Hours above: ten-minute means above {kw} kW; in kW, not kVA: with a power factor below 1 the supplier counts "
        "more.",
        " Au-dessus de la puissance souscrite : moyennes sur dix minutes de plus de {kw} kW ; en kW, non en kVA : avec "
        "un facteur de puissance inférieur à 1, le fournisseur compte davantage.",
    ),
    # --- voltage ---
    "section voltage": ("Voltage", "Tension"),
    "phase": ("Phase", "Phase"),
    "lowest": ("Lowest, V", "Min., V"),
    "highest": ("Highest, V", "Max., V"),
    "at": ("at", "le"),
    "weeks": ("Weeks from Monday", "Semaines à partir du lundi"),
    "worst weeks": (
        "The {n} weeks with the largest share outside ±10 %, of {all}",
        "Les {n} semaines avec la plus grande part hors de ±10 %, sur {all}",
    ),
    "means": ("Means", "Moyennes"),
    "outside narrow": ("Outside ±10 %", "Hors ±10 %"),
    "outside wide": ("Outside +10/{minus}15 %", "Hors +10/{minus}15 %"),
    "more phases": ("{n} more", "{n} autres"),
    "keeps": (
        "Every phase keeps the limits of EN 50160 in every week ({n} in all), as far as it was measured.",
        "Chaque phase respecte les limites de l’EN 50160 chaque semaine ({n} au total), pour le temps mesuré.",
    ),
    "breaks": (
        "The limits of EN 50160 are not kept in {bad} of {n} weeks of a phase (bold).",
        "Les limites de l’EN 50160 ne sont pas respectées dans {bad} semaines d’une phase sur {n} (en gras).",
    ),
    "never": ("Never connected: {what}.", "Jamais raccordées : {what}."),
    "no voltage": ("No phase is connected.", "Aucune phase n’est raccordée."),
    "no volts": ("No channel measures a voltage.", "Aucune voie ne mesure une tension."),
    "small voltage": (
        "Ten-minute means of each phase outside 230 V ±10 % (207 V to 253 V) and outside 230 V +10/{minus}15 % "
        "(195.5 V to 253 V), in each week from Monday, as EN 50160 counts them: it wants 95 % of a week’s means inside "
        "the first and all of them inside the second. Times without readings do not count. Lowest and highest: means "
        "of ten minutes too, with when the first of them began. Phases that never reach 150 V were never connected and "
        "are left out.",
        "Moyennes sur dix minutes de chaque phase hors de 230 V ±10 % (207 V à 253 V) et hors de 230 V +10/{minus}15 % "
        "(195,5 V à 253 V), par semaine à partir du lundi, comme les compte l’EN 50160 : elle demande que 95 % des "
        "moyennes d’une semaine soient dans les premières limites et toutes dans les secondes. Le temps sans mesure ne "
        "compte pas. Min. et max. : moyennes sur dix minutes elles aussi, avec le début de la première. Les phases qui "
        "n’atteignent jamais 150 V n’ont jamais été raccordées et ne sont pas comptées.",
    ),
}  # fmt: skip
"""English and French, by what they are about."""
