"""The report of a campaign: a PDF of six pages at most, to be handed over as it is."""
