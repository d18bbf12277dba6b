"""What the playbooks' tasks do: a module for each noun, over `run` (one task at work), `servers` (calls and errors),
`found` (what the servers have), `dashboard` (the Master's clones) and `tree` (names on disk).

`tasks` names what each task does; `action` is where Ansible comes in, by the links beside the playbooks.
"""
