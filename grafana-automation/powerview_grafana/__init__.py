"""What the playbooks' plugins are made of: the tree's names, what two servers hold, and what is missing between them.

Nothing here writes anywhere. `tree` reads the disk, `servers` and `found` read Grafana and InfluxDB, `plan` and
`dashboard` only compute. The plugins beside the playbooks are one-line doors to these modules.
"""
