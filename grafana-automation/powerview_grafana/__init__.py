"""What the playbooks' tasks do: a module for each noun, over `run` (one task at work), `servers` (calls and errors),
`found` (what the servers have), `dashboard` (the Master's clones) and `tree` (names on disk).

`tasks` names what each task does; the action plugins beside the playbooks are one-line doors to it.
"""
