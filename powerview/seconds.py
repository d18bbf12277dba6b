"""How many seconds there are in a day of 24 hours. A module of its own: who asks for it must not load pandas."""

A_DAY = 86_400
