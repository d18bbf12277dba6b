"""What a run reports: one line for each thing that it did, and what it could not finish."""

from __future__ import annotations


def lines(client: dict, check: bool = False) -> list[str]:
    """One line for each thing done, or that would be: `powerview: repaired acme/roof: permissions`.

    For a client that could not be finished only the reason is reported (`unfinished`).
    """
    name, steps = client["client"], client["steps"]
    if not check and (client["failed"] or client["stopped"]):
        return []
    things = [(name, "folder" in steps, steps)] if steps else []
    things += [
        (f"{name}/{c['campaign']}", "dashboard" in c["steps"], c["steps"]) for c in client["campaigns"] if c["steps"]
    ]
    made = [("create", thing) if new else ("repair", f"{thing}: {', '.join(s)}") for thing, new, s in things]
    done = [f"powerview: {f'would {verb}' if check else verb.rstrip('e') + 'ed'} {what}" for verb, what in made]
    if waiting := client.get("waiting"):
        done.append(f"powerview: {name}: {waiting} more new campaigns wait for the next run")
    return done


def unfinished(clients: list[dict], problem: str = "", check: bool = False) -> list[str]:
    """What was not finished, each with its reason: `problem` is why the Master cannot be cloned."""
    failed = [f"{c['client']}: {c['failed']}" for c in clients if c["failed"]]
    found = [f"powerview: {problem}"] if problem else []
    if check:
        return found + [f"powerview: would not finish {reason}" for reason in failed]
    return found + ([f"powerview: not finished: {'; '.join(failed)}"] if failed else [])
