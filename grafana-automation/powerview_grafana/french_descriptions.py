"""What explains a dashboard, a variable or a panel, in English and French; `french.py` has what is shown without
asking. Its length is that of the table.

A description that is put together of pieces in English is put together of the same pieces here.
"""

from __future__ import annotations

_CLOCK = {
    "en": "In ranges of more than three months from means of an hour.",
    "fr": "Sur les périodes de plus de trois mois, à partir de moyennes horaires.",
}
_WHOLE_HOURS = {
    "en": "In ranges of more than three months an hour with at least one reading counts whole.",
    "fr": "Sur les périodes de plus de trois mois, une heure avec au moins une mesure compte en entier.",
}

TEXTS = {
    # The Master
    "One measuring campaign: power, energy, voltages and coverage of its channels.": (
        "Une campagne de mesure : puissance, énergie, tensions et couverture de ses voies."
    ),
    "Name of the campaign: what the readings' measurement is called.": (
        "Nom de la campagne : celui de la « measurement » de ses mesures."
    ),
    "Time zone in which days, weeks and hours begin and end.": (
        "Fuseau horaire dans lequel commencent et finissent jours, semaines et heures."
    ),
    "Serial numbers of the logger and of the modules on its bus.": (
        "Numéros de série de l'enregistreur et des modules sur son bus."
    ),
    "Narrows the channels and the table to units.": "Limite les voies et le tableau à certaines unités.",
    "Which channels are shown and added up.": "Les voies affichées et additionnées.",
    'For "Hours above the subscribed power": a number of kW, not kVA.': (
        "Pour « Heures au-dessus de la puissance souscrite » : un nombre de kW, pas de kVA."
    ),
    "Units that are neither power nor voltage.": "Les unités qui ne sont ni des puissances ni des tensions.",
    # At a glance
    "Sum of the last readings in the time range of the chosen channels in W, kW or MW, with the time of the newest. "
    "Grey: that is more than 36 hours ago, so it is not the power of now. Loggers send once a day, so it may be last "
    "night's. Channels whose last reading is more than 30 minutes older than the newest one do not count.": (
        "Somme des dernières mesures de la période pour les voies choisies en W, kW ou MW, avec l'heure de la plus "
        "récente. En gris : elle a plus de 36 heures, ce n'est donc pas la puissance du moment. Les enregistreurs "
        "envoient une fois par jour : elle peut dater de la nuit dernière. Les voies dont la dernière mesure est plus "
        "ancienne de 30 minutes que la plus récente ne comptent pas."
    ),
    "Highest total of the chosen channels in the time range, as a mean over ten minutes. In ranges of more than a "
    "month the steps are longer and smooth the peak; the tile says how long: half an hour for three months, six hours "
    "for two years. In the step in which a channel was renamed, the old name and the new one both count.": (
        "Total le plus élevé des voies choisies sur la période, en moyenne sur dix minutes. Au-delà d'un mois, les pas "
        "sont plus longs et lissent la pointe ; la tuile indique leur durée : une demi-heure pour trois mois, six "
        "heures pour deux ans. Dans le pas où une voie a été renommée, l'ancien et le nouveau nom comptent tous deux."
    ),
    "Mean total of the chosen channels over the times for which there are readings. Each ten minutes weigh alike (in "
    "ranges of more than a month longer steps: half an hour for three months, six hours for two years).": (
        "Moyenne du total des voies choisies sur les temps mesurés. Chaque tranche de dix minutes a le même poids "
        "(au-delà d'un mois, des pas plus longs : une demi-heure pour trois mois, six heures pour deux ans)."
    ),
    "Energy of all chosen channels in the time range: mean power of ten minutes times ten minutes. Drawn minus fed in. "
    f"Times without readings count as nothing; they are not estimated. {_WHOLE_HOURS['en']} All chosen channels are "
    "added up: if one of them already measures the whole (a main feed), choose either it or its parts.": (
        "Énergie de toutes les voies choisies sur la période : puissance moyenne de dix minutes fois dix minutes. "
        "Soutirée moins injectée. Les temps sans mesure ne comptent pas ; rien n'est estimé. "
        f"{_WHOLE_HOURS['fr']} Toutes les voies choisies sont additionnées : si l'une d'elles mesure déjà l'ensemble "
        "(arrivée générale), choisissez soit elle, soit ses parties."
    ),
    "Energy of the ten minutes in which the total of the chosen channels is positive. Ten minutes in which it is "
    "negative are in Fed in; drawn minus fed in is the energy. A change of sign inside ten minutes is not seen. "
    f"{_WHOLE_HOURS['en']} There the total of an hour is drawn or fed in.": (
        "Énergie des tranches de dix minutes où le total des voies choisies est positif. Celles où il est négatif sont "
        "dans « Énergie injectée » ; soutirée moins injectée donne l'énergie. Un changement de signe à l'intérieur de "
        f"dix minutes ne se voit pas. {_WHOLE_HOURS['fr']} Le total d'une heure y est alors soutiré ou injecté."
    ),
    "Energy of the ten minutes in which the total of the chosen channels is negative: more is produced than used, or "
    "clamps are mounted the wrong way round. A change of sign inside ten minutes is not seen. "
    f"{_WHOLE_HOURS['en']} There the total of an hour is drawn or fed in.": (
        "Énergie des tranches de dix minutes où le total des voies choisies est négatif : la production dépasse la "
        "consommation, ou des pinces sont montées à l'envers. Un changement de signe à l'intérieur de dix minutes ne "
        f"se voit pas. {_WHOLE_HOURS['fr']} Le total d'une heure y est alors soutiré ou injecté."
    ),
    "How much of the time range has readings: windows of ten minutes with a reading, of the chosen devices together, "
    "between the campaign's first and last reading. A device is judged by its first channel. What is missing is "
    "neither energy nor zero power.": (
        "Part de la période qui a des mesures : tranches de dix minutes avec une mesure, tous appareils choisis "
        "ensemble, entre la première et la dernière mesure de la campagne. Un appareil est jugé sur sa première voie. "
        "Ce qui manque n'est ni de l'énergie ni une puissance nulle."
    ),
    "How long ago the newest reading of the chosen channels was taken, whatever the time range. Loggers send once a "
    "day: up to 26 hours is normal. Orange from 36 hours, red from seven days.": (
        "Âge de la mesure la plus récente des voies choisies, quelle que soit la période, en jours (d), heures, "
        "minutes et secondes. Les enregistreurs envoient une fois par jour : jusqu'à 26 heures est normal. Orange à "
        "partir de 36 heures, rouge à partir de sept jours."
    ),
    "Power and energy add up channels in W, kW and MW. Chosen channels in other units are not in them; here is how "
    "many there are in each unit. ? is a channel without a unit.": (
        "Puissance et énergie additionnent les voies en W, kW et MW. Les voies choisies dans d'autres unités n'y sont "
        "pas ; voici leur nombre par unité. « ? » est une voie sans unité."
    ),
    # Power
    "Sum of the chosen channels in W, kW or MW, a mean for each step of the curve. If a chosen channel measures the "
    "whole and others its parts, they are counted twice: choose either. In the step in which a channel was renamed, "
    "the old name and the new one both count. The line breaks where there are no readings for an hour.": (
        "Somme des voies choisies en W, kW ou MW, une moyenne par pas de la courbe. Si une voie choisie mesure "
        "l'ensemble et d'autres ses parties, elles comptent deux fois : choisissez l'un ou l'autre. Dans le pas où une "
        "voie a été renommée, l'ancien et le nouveau nom comptent tous deux. La ligne s'interrompt après une heure "
        "sans mesure."
    ),
    "Each chosen channel in W, kW or MW, a mean for each step of the curve. Click a name to see it alone, Ctrl+click "
    "to add more. Negative values: power flows the other way, or the clamp was mounted the wrong way round. A line "
    "breaks where there are no readings for an hour.": (
        "Chaque voie choisie en W, kW ou MW, une moyenne par pas de la courbe. Cliquez sur un nom pour ne voir que "
        "lui, Ctrl+clic pour en ajouter. Valeurs négatives : la puissance va dans l'autre sens, ou la pince est montée "
        "à l'envers. Une ligne s'interrompt après une heure sans mesure."
    ),
    # Energy and coverage
    "Energy of all chosen channels for each day, from midnight to midnight in the dashboard's time zone; the days on "
    "which the clocks change have 23 or 25 hours. A day without readings has no bar; times without readings count as "
    "nothing (in ranges of more than three months an hour with at least one reading counts whole). The first and the "
    "last bar hold only what lies in the time range.": (
        "Énergie de toutes les voies choisies par jour, de minuit à minuit dans le fuseau horaire du tableau de bord ; "
        "les jours de changement d'heure ont 23 ou 25 heures. Un jour sans mesure n'a pas de barre ; les temps sans "
        "mesure ne comptent pas (sur les périodes de plus de trois mois, une heure avec au moins une mesure compte en "
        "entier). La première et la dernière barre ne contiennent que ce qui est dans la période."
    ),
    "Which part of the energy went through which of the chosen channels, largest first. Channels with no or negative "
    "energy (clamp the wrong way round, or feeding in) have no share.": (
        "Quelle part de l'énergie est passée par laquelle des voies choisies, la plus grande d'abord. Les voies à "
        "énergie nulle ou négative (pince à l'envers, ou injection) n'ont pas de part."
    ),
    "When each chosen device has readings, judged by its first channel: complete, some of the ten-minute readings "
    "missing, or none. What is missing is neither energy nor zero power.": (
        "Quand chaque appareil choisi a des mesures, jugé sur sa première voie : complet, incomplet (il manque des "
        "mesures de dix minutes), ou aucune. Ce qui manque n'est ni de l'énergie ni une puissance nulle."
    ),
    # Voltages and channels
    "Voltage of each phase of the chosen devices, a mean for each step of the curve. Dashed: 207 V and 253 V, the "
    "limits of 230 V ± 10 %.": (
        "Tension de chaque phase des appareils choisis, une moyenne par pas de la courbe. En pointillé : 207 V et "
        "253 V, les limites de 230 V ± 10 %."
    ),
    "Smallest and largest single reading and mean of each chosen channel in the time range, in the channel's own unit. "
    "The mean weighs each ten minutes alike (each quarter of a day, in ranges of more than three months).": (
        "Plus petite et plus grande mesure et moyenne de chaque voie choisie sur la période, dans l'unité de la voie. "
        "La moyenne donne le même poids à chaque tranche de dix minutes (à chaque quart de jour, au-delà de trois "
        "mois)."
    ),
    # Load profile
    "Mean total of the chosen channels in kW, for each hour of each weekday in the dashboard's time zone: 07:00 is "
    "from 07:00 to 08:00. Each hour with readings weighs alike; beside it is how many of them make a cell.": (
        "Moyenne du total des voies choisies en kW, pour chaque heure de chaque jour de la semaine dans le fuseau "
        "horaire du tableau de bord : 07:00 va de 07:00 à 08:00. Chaque heure mesurée a le même poids ; leur nombre "
        "par case est à côté."
    ),
    "How many hours with readings make each cell of the table of mean power: one a week. On the days on which the "
    "clocks change, the hour from 02:00 to 03:00 is missing or there twice.": (
        "Combien d'heures mesurées forment chaque case du tableau des puissances moyennes : une par semaine. Les jours "
        "de changement d'heure, l'heure de 02:00 à 03:00 manque ou existe deux fois."
    ),
    "Mean total of the chosen channels in each hour of the day, in the dashboard's time zone: weekdays beside "
    "weekends. Each hour with readings weighs alike. Public holidays are counted as the weekdays that they are.": (
        "Moyenne du total des voies choisies à chaque heure du jour, dans le fuseau horaire du tableau de bord : jours "
        "ouvrés à côté des week-ends. Chaque heure mesurée a le même poids. Les jours fériés comptent comme le jour de "
        "la semaine qu'ils sont."
    ),
    # Base load and peaks
    "What never stops: the median, over the days with at least 90 % coverage, of the power below which the total of "
    "the chosen channels is for 5 % of the day (each day's 5 % quantile of ten-minute means). Days begin at midnight "
    f"in the dashboard's time zone. {_CLOCK['en']}": (
        "Ce qui ne s'arrête jamais : la médiane, sur les jours couverts à 90 % au moins, de la puissance sous laquelle "
        "le total des voies choisies se trouve pendant 5 % du jour (quantile à 5 % des moyennes sur dix minutes de "
        "chaque jour). Les jours commencent à minuit dans le fuseau horaire du tableau de bord. " + _CLOCK["fr"]
    ),
    f"How much of the energy the base load makes: the base load over the mean power. {_CLOCK['en']}": (
        f"Part de l'énergie due au talon : le talon divisé par la puissance moyenne. {_CLOCK['fr']}"
    ),
    "Mean power over peak power: 100 % is a load that never changes. Both are those of ten-minute means of the total "
    f"of the chosen channels. {_CLOCK['en']}": (
        "Puissance moyenne divisée par puissance de pointe : 100 % est une charge qui ne change jamais. Toutes deux à "
        f"partir des moyennes sur dix minutes du total des voies choisies. {_CLOCK['fr']}"
    ),
    "How long the total of the chosen channels, as a mean over ten minutes, is above the power that you type in above, "
    f"in kW, not kVA: with a power factor below 1 the supplier counts more than this. {_CLOCK['en']}": (
        "Pendant combien de temps le total des voies choisies, en moyenne sur dix minutes, dépasse la puissance que "
        "vous saisissez en haut, en kW et non en kVA : avec un facteur de puissance inférieur à 1, le fournisseur "
        f"compte davantage. {_CLOCK['fr']}"
    ),
    "For how many hours of the time range, not necessarily in succession, the total of the chosen channels was at "
    "least so high: all ten-minute means from the highest to the lowest, or about a thousand of them. "
    f"{_CLOCK['en']}": (
        "Pendant combien d'heures de la période, pas forcément consécutives, le total des voies choisies a atteint au "
        "moins cette valeur : toutes les moyennes sur dix minutes, de la plus haute à la plus basse, ou environ mille "
        f"d'entre elles. {_CLOCK['fr']}"
    ),
    "The ten highest ten-minute means of the total of the chosen channels, with the time at which each begins. "
    f"{_CLOCK['en']}": (
        "Les dix moyennes sur dix minutes les plus élevées du total des voies choisies, avec l'heure à laquelle "
        f"chacune commence. {_CLOCK['fr']}"
    ),
    # Voltage
    "How many ten-minute means of each phase are outside 230 V ± 10 % (207 V to 253 V) and outside 230 V +10 %, −15 % "
    "(195.5 V to 253 V), in each week from Monday. EN 50160 wants 95 % of a week's means inside the first and all of "
    "them inside the second; red is what it does not allow. The first and the last week hold only what is in the time "
    "range. Times without readings do not count, and phases that were never connected are left out.": (
        "Combien de moyennes sur dix minutes de chaque phase sont hors de 230 V ± 10 % (207 V à 253 V) et hors de "
        "230 V +10 %, −15 % (195,5 V à 253 V), par semaine à partir du lundi. L'EN 50160 demande que 95 % des moyennes "
        "d'une semaine soient dans la première plage et toutes dans la seconde ; ce qu'elle n'admet pas est en rouge. "
        "La première et la dernière semaine ne contiennent que ce qui est dans la période. Les temps sans mesure ne "
        "comptent pas, et les phases jamais raccordées sont écartées."
    ),
    "The lowest and the highest single reading of each phase of the chosen devices in the time range, and when they "
    "were taken (the first time, if it was more than once). Phases that were never connected are left out.": (
        "La plus basse et la plus haute mesure de chaque phase des appareils choisis sur la période, et leur date (la "
        "première, s'il y en a plusieurs). Les phases jamais raccordées sont écartées."
    ),
    "Inputs for a voltage that never reach 150 V in the time range: an input without a wire shows about 114 V, or 0. "
    "They are in no figure of this row.": (
        "Entrées de tension qui n'atteignent jamais 150 V sur la période : une entrée sans fil affiche environ 114 V, "
        "ou 0. Elles ne figurent dans aucun chiffre de cette section."
    ),
    # Data
    "For each chosen device how much of the time range has readings: windows of ten minutes with a reading, between "
    "the campaign's first and last reading. A device is judged by its first channel; readings of each minute make a "
    "window complete once, so twelve of them in an hour are two windows of six.": (
        "Pour chaque appareil choisi, la part de la période qui a des mesures : tranches de dix minutes avec une "
        "mesure, entre la première et la dernière mesure de la campagne. Un appareil est jugé sur sa première voie ; "
        "des mesures à chaque minute ne complètent une tranche qu'une fois : douze d'entre elles dans une heure font "
        "deux tranches sur six."
    ),
    "When a chosen device had no readings for more than an hour: from the first window of ten minutes without a "
    "reading to the next one with a reading; the longest first, 500 at most. Between the campaign's first and last "
    "reading. In ranges of more than three months whole hours of the clock without a reading.": (
        "Quand un appareil choisi n'a pas eu de mesure pendant plus d'une heure : de la première tranche de dix "
        "minutes sans mesure à la suivante qui en a une ; les plus longues d'abord, 500 au plus, en heures, minutes et "
        "secondes. Entre la première et la dernière mesure de la campagne. Sur les périodes de plus de trois mois, des "
        "heures d'horloge entières sans mesure."
    ),
    "Chosen channels whose readings in the time range look as if something was mounted or connected wrongly, by their "
    "lowest and highest reading (W, or V for a phase) and the share of readings below zero. Mostly negative: more than "
    "half of them. Always under 1 W: of either sign. Half voltage: a phase whose highest reading is between 80 V and "
    "150 V. Looks like a voltage: power that is always between 190 W and 270 W.": (
        "Voies choisies dont les mesures de la période font penser à une erreur de montage ou de raccordement, d'après "
        "leur plus basse et leur plus haute mesure (W, ou V pour une phase) et la part des mesures sous zéro. Négative "
        "la plupart du temps : plus de la moitié. Toujours sous 1 W : quel que soit le signe. Mi-tension : une phase "
        "dont la plus haute mesure est entre 80 V et 150 V. Ressemble à une tension : puissance toujours entre 190 W "
        "et 270 W."
    ),
    "Inputs of the chosen devices that have had more than one label or unit since the beginning of the campaign, and "
    "from when to when there are readings under each.": (
        "Entrées des appareils choisis qui ont eu plus d'un libellé ou d'une unité depuis le début de la campagne, et "
        "de quand à quand il y a des mesures sous chacun."
    ),
    # Other units
    "Chosen channels in this unit, a mean for each step of the curve. They are in no figure of power and energy. A "
    "line breaks where there are no readings for an hour.": (
        "Voies choisies dans cette unité, une moyenne par pas de la courbe. Elles ne figurent dans aucun chiffre de "
        "puissance ni d'énergie. Une ligne s'interrompt après une heure sans mesure."
    ),
    # The overview
    "A client's campaigns, and when its loggers were read last.": (
        "Les campagnes d'un client, et la dernière mesure de ses enregistreurs."
    ),
    "The client's campaigns, as rows of Flux.": "Les campagnes du client, en lignes de Flux.",
    "Time zone in which times are shown.": "Fuseau horaire dans lequel les heures sont affichées.",
    "All campaigns, the latest first; a click opens the dashboard, of a finished campaign at its own span, else at the "
    "last seven days. Finished: no reading for seven days. From and to are those of the first and the last reading. "
    "Coverage: windows of ten minutes with a total, between the two. Energy: the campaign's total, drawn minus fed in; "
    "what is missing is not estimated.": (
        "Toutes les campagnes, la plus récente d'abord ; un clic ouvre le tableau de bord, d'une campagne terminée sur "
        "sa propre période, sinon sur les sept derniers jours. Terminée : aucune mesure depuis sept jours. « Du » et "
        "« Au » sont les dates de la première et de la dernière mesure. Taux de couverture : tranches de dix minutes "
        "avec un total, entre les deux. Énergie : le total de la campagne, soutirée moins injectée ; ce qui manque "
        "n'est pas estimé."
    ),
    "When each device was read last, in each campaign in which it was: loggers, and the modules on their buses. A "
    "device that went from one campaign to another is listed under both.": (
        "Dernière mesure de chaque appareil, dans chaque campagne où il était : les enregistreurs et les modules sur "
        "leurs bus. Un appareil passé d'une campagne à une autre figure sous les deux."
    ),
    # "Loggers"
    "Which logger delivered when; which is silent, late, restarting, with a wrong clock, with torn files.": (
        "Quel enregistreur a livré quand ; lequel est muet, en retard, redémarre, a une mauvaise horloge ou des "
        "fichiers tronqués."
    ),
    "Time zone in which a day begins and ends.": "Fuseau horaire dans lequel un jour commence et finit.",
    "Whose deliveries are shown day by day.": "Celui dont les livraisons sont affichées jour par jour.",
    "Loggers that delivered in the last 90 days.": "Enregistreurs qui ont livré dans les 90 derniers jours.",
    "Files that were settled in this range.": "Fichiers traités sur cette période.",
    "Readings stored from them.": "Mesures qui en ont été enregistrées.",
    "Files that were cut or damaged: their complete rows are stored, and the logger sends the rest again.": (
        "Fichiers coupés ou abîmés : leurs lignes complètes sont enregistrées, et l'appareil renvoie le reste."
    ),
    "Files that can never be read as they are; the reasons stand below and beside each file in error/.": (
        "Fichiers illisibles tels quels ; les raisons sont ci-dessous et à côté de chaque fichier dans error/."
    ),
    "When the last file arrived, of any logger.": (
        "Temps écoulé depuis l'arrivée du dernier fichier, tous enregistreurs confondus, en jours (d), heures, minutes "
        "et secondes."
    ),
    "Loggers that have delivered nothing for 36 hours, to whatever campaign, the longest silent first. After 30 days "
    "they are forgotten, as the notifications forget them.": (
        "Enregistreurs qui n'ont rien livré depuis 36 heures, à quelque campagne que ce soit, les plus longtemps muets "
        "d'abord. Au bout de 30 jours ils sont oubliés, comme par les notifications."
    ),
    "Longest silent first. Counts are of this range; a logger that has been silent for 90 days is not listed. Lag: "
    "from the last reading in a file to its arrival, the longest.": (
        "Les plus longtemps muets d'abord. Les nombres sont ceux de cette période ; un enregistreur muet depuis 90 "
        "jours n'est pas listé. Retard : de la dernière mesure d'un fichier à son arrivée, le plus long."
    ),
    "Readings stored each day, by what became of the file.": (
        "Mesures enregistrées chaque jour, selon ce qu'est devenu le fichier."
    ),
    "Files settled per hour, or per day beyond two weeks, by what became of them.": (
        "Fichiers traités par heure, ou par jour au-delà de deux semaines, selon ce qu'ils sont devenus."
    ),
    "From the last reading in a file to its arrival: the longest of each hour, or of each day beyond two weeks, and "
    "the mean of whole files. Loggers that deliver late, or whose clock is wrong, lift it.": (
        "De la dernière mesure d'un fichier à son arrivée : le plus long de chaque heure, ou de chaque jour au-delà de "
        "deux semaines, et la moyenne des fichiers complets. Les enregistreurs en retard, ou dont l'horloge est "
        "fausse, l'augmentent."
    ),
    "Readings of whole files stored for each second of work, and the time that a file took.": (
        "Mesures de fichiers complets enregistrées par seconde de travail, et durée du traitement d'un fichier."
    ),
    "For each logger of the chosen client and each day: how many files came.": (
        "Pour chaque enregistreur du client choisi et chaque jour : combien de fichiers sont arrivés."
    ),
    "The latest 200, with their reasons.": "Les 200 derniers, avec leurs raisons.",
}
