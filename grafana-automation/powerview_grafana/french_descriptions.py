"""What explains a dashboard, a variable or a panel, in English and French; `french.py` has what is shown without
asking. Its length is that of the table.

A description that is put together of pieces in English is put together of the same pieces here.
"""

from __future__ import annotations

_TOTAL = {
    "en": "The total: what channels.csv calls main, else all parts; without a channels.csv, all channels. A choice of "
    "channels or devices is added up as it is, in ranges of more than three months by the hour.",
    "fr": "Le total : ce que channels.csv appelle « main », sinon toutes les parties ; sans channels.csv, toutes les "
    "voies. Un choix de voies ou d'appareils est additionné tel quel, au-delà de trois mois par heure.",
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
        "Pour « Heures > puissance souscrite » : un nombre de kW, pas de kVA."
    ),
    "Units that are neither power nor voltage.": "Les unités qui ne sont ni des puissances ni des tensions.",
    "Where channels are read: by the names of channels.csv where there is one.": (
        "D'où les voies sont lues : sous les noms de channels.csv s'il existe."
    ),
    "Whether the figures that are kept are whole, or being made anew.": (
        "Si les chiffres conservés sont complets, ou en cours de recalcul."
    ),
    # At a glance
    "Sum of the last readings in the time range, with the time of the newest. Grey: that is more than 36 hours ago, so "
    "it is not the power of now. Loggers send once a day, so it may be last night's. Channels whose last reading is "
    "more than 30 minutes older than the newest one do not count.": (
        "Somme des dernières mesures de la période, avec l'heure de la plus récente. En gris : elle a plus de 36 "
        "heures, ce n'est donc pas la puissance du moment. Les enregistreurs envoient une fois par jour : elle peut "
        "dater de la nuit dernière. Les voies dont la dernière mesure est plus ancienne de 30 minutes que la plus "
        "récente ne comptent pas."
    ),
    f"Highest total in the time range, as a mean over ten minutes. {_TOTAL['en']}": (
        f"Total le plus élevé de la période, en moyenne sur dix minutes. {_TOTAL['fr']}"
    ),
    f"Mean total over the times for which there are readings. {_TOTAL['en']}": (
        f"Moyenne du total sur les temps mesurés. {_TOTAL['fr']}"
    ),
    "How much of the time range has readings: windows of ten minutes with a reading, of the chosen devices together, "
    "between the campaign's first and last reading. What is missing is neither energy nor zero power.": (
        "Part de la période qui a des mesures : tranches de dix minutes avec une mesure, tous appareils choisis "
        "ensemble, entre la première et la dernière mesure de la campagne. Ce qui manque n'est ni de l'énergie ni une "
        "puissance nulle."
    ),
    "Energy of the total in the time range: mean power of ten minutes times ten minutes. Drawn minus fed in. Times "
    f"without readings count as nothing; they are not estimated. {_TOTAL['en']}": (
        "Énergie du total sur la période : puissance moyenne de dix minutes fois dix minutes. Soutirée moins injectée. "
        f"Les temps sans mesure ne comptent pas ; rien n'est estimé. {_TOTAL['fr']}"
    ),
    "Energy of the ten minutes in which the total is positive. Ten minutes in which it is negative are in Fed in; "
    f"drawn minus fed in is the energy. A change of sign inside ten minutes is not seen. {_TOTAL['en']}": (
        "Énergie des tranches de dix minutes où le total est positif. Celles où il est négatif sont dans « Énergie "
        "injectée » ; soutirée moins injectée donne l'énergie. Un changement de signe à l'intérieur de dix minutes ne "
        f"se voit pas. {_TOTAL['fr']}"
    ),
    "Energy of the ten minutes in which the total is negative: more is produced than used, or clamps are mounted the "
    f"wrong way round. A change of sign inside ten minutes is not seen. {_TOTAL['en']}": (
        "Énergie des tranches de dix minutes où le total est négatif : la production dépasse la consommation, ou des "
        "pinces sont montées à l'envers. Un changement de signe à l'intérieur de dix minutes ne se voit pas. "
        f"{_TOTAL['fr']}"
    ),
    "Energy of what channels.csv calls production. It is not in the total.": (
        "Énergie de ce que channels.csv appelle « production ». Elle n'est pas dans le total."
    ),
    "Energy of the circuits behind the meter, where channels.csv has a meter (main) and parts.": (
        "Énergie des circuits derrière le compteur, si channels.csv a un compteur (« main ») et des parties."
    ),
    "What the meter has and no part: total plus production minus parts, of the ten minutes in which the total has a "
    "value. It is shown as it is, also when it is negative. Only where channels.csv has a meter (main), and all "
    "channels are chosen.": (
        "Ce que voit le compteur et aucune partie : total plus production moins parties, sur les tranches de dix "
        "minutes où le total a une valeur. Affiché tel quel, même négatif. Seulement si channels.csv a un compteur "
        "(« main ») et que toutes les voies sont choisies."
    ),
    "How long ago the newest reading of the chosen channels was taken, whatever the time range. Loggers send once a "
    "day: up to 26 hours is normal. Orange from 36 hours, red from seven days.": (
        "Âge de la mesure la plus récente des voies choisies, quelle que soit la période, en jours (d), heures, "
        "minutes et secondes. Les enregistreurs envoient une fois par jour : jusqu'à 26 heures est normal. Orange à "
        "partir de 36 heures, rouge à partir de sept jours."
    ),
    "Power and energy add up channels in W, kW and MW. Chosen channels in other units are not in them: here are their "
    "names, 3 of each unit at most. ? is a channel without a unit. Beside them is how many channels the channels.csv "
    "hides: they are nowhere on this page but in what concerns devices.": (
        "Puissance et énergie additionnent les voies en W, kW et MW. Les voies choisies dans d'autres unités n'y sont "
        "pas : voici leurs noms, 3 au plus par unité. « ? » est une voie sans unité. À côté, le nombre de voies que "
        "channels.csv masque : elles ne figurent nulle part sur cette page, sauf dans ce qui concerne les appareils."
    ),
    # Power
    f"Means for each step of the curve. {_TOTAL['en']} Production, parts and rest (total plus production minus parts) "
    "have curves of their own where channels.csv has them. A line breaks where there are no readings for an hour.": (
        f"Des moyennes par pas de la courbe. {_TOTAL['fr']} Production, parties et reste (total plus production moins "
        "parties) ont leurs propres courbes si channels.csv les définit. Une ligne s'interrompt après une heure sans "
        "mesure."
    ),
    "Each chosen channel in W, kW or MW, a mean for each step of the curve. Click a name to see it alone, Ctrl+click "
    "to add more. Negative values: power flows the other way, or the clamp was mounted the wrong way round. A line "
    "breaks where there are no readings for an hour.": (
        "Chaque voie choisie en W, kW ou MW, une moyenne par pas de la courbe. Cliquez sur un nom pour ne voir que "
        "lui, Ctrl+clic pour en ajouter. Valeurs négatives : la puissance va dans l'autre sens, ou la pince est montée "
        "à l'envers. Une ligne s'interrompt après une heure sans mesure."
    ),
    # Energy and coverage
    "Energy of the total for each day, from midnight to midnight in the dashboard's time zone; the days on which the "
    "clocks change have 23 or 25 hours. A day without readings has no bar; times without readings count as nothing. "
    f"The first and the last bar hold only what lies in the time range. {_TOTAL['en']}": (
        "Énergie du total par jour, de minuit à minuit dans le fuseau horaire du tableau de bord ; les jours de "
        "changement d'heure ont 23 ou 25 heures. Un jour sans mesure n'a pas de barre ; les temps sans mesure ne "
        "comptent pas. La première et la dernière barre ne contiennent que ce qui est dans la période. "
        f"{_TOTAL['fr']}"
    ),
    "Which part of the energy went through which circuit, largest first: the parts and groups of channels.csv without "
    "the meter (main) and production; without one, or of a choice of channels, each channel. What has no or negative "
    "energy (clamp the wrong way round, or feeding in) has no share. The bar of the largest share is a full one. "
    "Without a channels.csv an hour with at least one reading counts whole in ranges of more than three months.": (
        "Quelle part de l'énergie est passée par quel circuit, la plus grande d'abord : les parties et groupes de "
        "channels.csv sans le compteur (« main ») ni la production ; sans channels.csv, ou pour un choix de voies, "
        "chaque voie. Une énergie nulle ou négative (pince à l'envers, ou injection) n'a pas de part. La barre de la "
        "plus grande part est pleine. Sans channels.csv, une heure avec au moins une mesure compte en entier au-delà "
        "de trois mois."
    ),
    "When each chosen device has readings: complete, some of the ten-minute readings missing, or none. What is missing "
    "is neither energy nor zero power.": (
        "Quand chaque appareil choisi a des mesures : complet, incomplet (il manque des mesures de dix minutes), ou "
        "aucune. Ce qui manque n'est ni de l'énergie ni une puissance nulle."
    ),
    # Energy by channel
    "Energy of each circuit for each day, on top of each other: the parts and groups of channels.csv without the meter "
    "(main) and production, or the chosen channels. Days are those of the dashboard's time zone. Only where there is a "
    "channels.csv.": (
        "Énergie de chaque circuit par jour, empilée : les parties et groupes de channels.csv sans le compteur "
        "(« main ») ni la production, ou les voies choisies. Les jours sont ceux du fuseau horaire du tableau de bord. "
        "Seulement s'il y a un channels.csv."
    ),
    # Voltages and channels
    "Voltage of each phase of the chosen devices, a mean for each step of the curve. Dashed: 207 V and 253 V, the "
    "limits of 230 V ± 10 %.": (
        "Tension de chaque phase des appareils choisis, une moyenne par pas de la courbe. En pointillé : 207 V et "
        "253 V, les limites de 230 V ± 10 %."
    ),
    "Smallest and largest reading and mean of each chosen channel in the time range, in the channel's own unit; with a "
    "channels.csv, of means over ten minutes. The mean weighs each ten minutes alike (without a channels.csv each "
    "quarter of a day, in ranges of more than three months).": (
        "Plus petite et plus grande mesure et moyenne de chaque voie choisie sur la période, dans l'unité de la voie ; "
        "avec un channels.csv, à partir de moyennes sur dix minutes. La moyenne donne le même poids à chaque tranche "
        "de dix minutes (sans channels.csv à chaque quart de jour, au-delà de trois mois)."
    ),
    # Load profile
    "Mean total in kW, for each hour of each weekday in the dashboard's time zone: 07:00 is from 07:00 to 08:00. Each "
    "ten minutes belong to the hour in which they begin. Each hour with readings weighs alike; beside it is how many "
    "of them make a cell.": (
        "Moyenne du total en kW, pour chaque heure de chaque jour de la semaine dans le fuseau horaire du tableau de "
        "bord : 07:00 va de 07:00 à 08:00. Un pas de dix minutes appartient à l'heure dans laquelle il commence. "
        "Chaque heure mesurée a le même poids ; leur nombre par case est à côté."
    ),
    "How many hours with readings make each cell of the table of mean power: one a week. On the days on which the "
    "clocks change, the hour from 02:00 to 03:00 is missing or there twice.": (
        "Combien d'heures mesurées forment chaque case du tableau des puissances moyennes : une par semaine. Les jours "
        "de changement d'heure, l'heure de 02:00 à 03:00 manque ou existe deux fois."
    ),
    "Mean total in each hour of the day, in the dashboard's time zone: weekdays beside weekends. Each hour with "
    "readings weighs alike. Public holidays are counted as the weekdays that they are.": (
        "Moyenne du total à chaque heure du jour, dans le fuseau horaire du tableau de bord : jours ouvrés à côté des "
        "week-ends. Chaque heure mesurée a le même poids. Les jours fériés comptent comme le jour de la semaine qu'ils "
        "sont."
    ),
    # Base load and peaks
    "What never stops: the median, over the days with at least 90 % coverage, of the power below which the total is "
    "for 5 % of the day (each day's 5 % quantile of ten-minute means). Days begin at midnight in the dashboard's time "
    "zone.": (
        "Ce qui ne s'arrête jamais : la médiane, sur les jours couverts à 90 % au moins, de la puissance sous laquelle "
        "le total se trouve pendant 5 % du jour (quantile à 5 % des moyennes sur dix minutes de chaque jour). Les "
        "jours commencent à minuit dans le fuseau horaire du tableau de bord."
    ),
    "How much of the energy the base load makes: the base load over the mean power.": (
        "Part de l'énergie due au talon : le talon divisé par la puissance moyenne."
    ),
    "Mean power over peak power of the total's ten-minute means: 100 % is a load that never changes.": (
        "Puissance moyenne divisée par puissance de pointe, à partir des moyennes sur dix minutes du total : 100 % est "
        "une charge qui ne change jamais."
    ),
    "How long the total, as a mean over ten minutes, is above the power that you type in above, in kW, not kVA: with a "
    "power factor below 1 the supplier counts more than this.": (
        "Pendant combien de temps le total, en moyenne sur dix minutes, dépasse la puissance que vous saisissez en "
        "haut, en kW et non en kVA : avec un facteur de puissance inférieur à 1, le fournisseur compte davantage."
    ),
    "For how many hours of the time range, not necessarily in succession, the total was at least so high: all "
    "ten-minute means from the highest to the lowest, or about a thousand of them.": (
        "Pendant combien d'heures de la période, pas forcément consécutives, le total a atteint au moins cette valeur "
        ": toutes les moyennes sur dix minutes, de la plus haute à la plus basse, ou environ mille d'entre elles."
    ),
    "The ten highest ten-minute means of the total, with the time at which each begins.": (
        "Les dix moyennes sur dix minutes les plus élevées du total, avec l'heure à laquelle chacune commence."
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
    "The lowest and the highest mean over ten minutes of each phase of the chosen devices in the time range, and when "
    "those ten minutes began (the first time, if it was more than once). Phases that were never connected are left "
    "out.": (
        "La plus basse et la plus haute moyenne sur dix minutes de chaque phase des appareils choisis sur la période, "
        "et le début de ces dix minutes (la première fois, s'il y en a plusieurs). Les phases jamais raccordées sont "
        "écartées."
    ),
    "Inputs for a voltage whose mean over ten minutes never reaches 150 V in the time range: an input without a wire "
    "shows about 114 V, or 0. They are in no figure of this row.": (
        "Entrées de tension dont la moyenne sur dix minutes n'atteint jamais 150 V sur la période : une entrée sans "
        "fil affiche environ 114 V, ou 0. Elles ne figurent dans aucun chiffre de cette section."
    ),
    # Data
    "For each chosen device how much of the time range has readings: windows of ten minutes with a reading, between "
    "the campaign's first and last reading. Readings of each minute make a window complete once, so twelve of them in "
    "an hour are two windows of six.": (
        "Pour chaque appareil choisi, la part de la période qui a des mesures : tranches de dix minutes avec une "
        "mesure, entre la première et la dernière mesure de la campagne. Des mesures à chaque minute ne complètent une "
        "tranche qu'une fois : douze d'entre elles dans une heure font deux tranches sur six."
    ),
    "When a chosen device had no readings for more than an hour: from the first window of ten minutes without a "
    "reading to the next one with a reading; the longest first, 500 at most. Between the campaign's first and last "
    "reading.": (
        "Quand un appareil choisi n'a pas eu de mesure pendant plus d'une heure : de la première tranche de dix "
        "minutes sans mesure à la suivante qui en a une ; les plus longues d'abord, 500 au plus, en heures, minutes et "
        "secondes. Entre la première et la dernière mesure de la campagne."
    ),
    "Chosen channels whose readings in the time range look as if something was mounted or connected wrongly, by their "
    "lowest and highest reading (W, or V for a phase) and the share of readings below zero; with a channels.csv a "
    "reading is a mean over ten minutes. Mostly negative: more than half of them, unless channels.csv calls it "
    "production. Always under 1 W: of either sign. Half voltage: a phase whose highest reading is between 80 V and "
    "150 V. Looks like a voltage: power that is always between 190 W and 270 W.": (
        "Voies choisies dont les mesures de la période font penser à une erreur de montage ou de raccordement, d'après "
        "leur plus basse et leur plus haute mesure (W, ou V pour une phase) et la part des mesures sous zéro ; avec "
        "un channels.csv, une mesure est une moyenne sur dix minutes. Négative la plupart du temps : plus de la "
        "moitié, sauf production selon channels.csv. Toujours sous 1 W : quel que soit le signe. Mi-tension : une "
        "phase dont la plus haute mesure est entre 80 V et 150 V. Ressemble à une tension : puissance toujours entre "
        "190 W et 270 W."
    ),
    "Inputs of the chosen devices that have had more than one label or unit, and labels that have been at more than "
    "one input, since the beginning of the campaign, and from when to when the logger used each. Readings of an input "
    "count as one channel, under its last label.": (
        "Entrées des appareils choisis qui ont eu plus d'un libellé ou d'une unité, et libellés qui ont été sur plus "
        "d'une entrée, depuis le début de la campagne, et de quand à quand l'enregistreur a utilisé chacun. Les "
        "mesures d'une entrée comptent comme une seule voie, sous son dernier libellé."
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
    "Coverage: windows of ten minutes with a reading of a device, all devices together, between the two. Energy: the "
    "campaign's total, drawn minus fed in; what is missing is not estimated.": (
        "Toutes les campagnes, la plus récente d'abord ; un clic ouvre le tableau de bord, d'une campagne terminée sur "
        "sa propre période, sinon sur les sept derniers jours. Terminée : aucune mesure depuis sept jours. « Du » et "
        "« Au » sont les dates de la première et de la dernière mesure. Taux de couverture : tranches de dix minutes "
        "avec une mesure d'un appareil, tous appareils ensemble, entre les deux. Énergie : le total de la campagne, "
        "soutirée moins injectée ; ce qui manque n'est pas estimé."
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
