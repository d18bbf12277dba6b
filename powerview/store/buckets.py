"""A client's bucket in InfluxDB: made when it is missing, with shards that suit years of readings."""

from __future__ import annotations

from contextlib import suppress

from powerview.store.answers import message
from powerview.store.protocol import StoreAway

INFLUXDBS_OWN = 7 * 24 * 3600
SHARD_SECONDS = 13 * INFLUXDBS_OWN
"""What a shard of a bucket holds: a quarter of a year. InfluxDB's own size for what is kept forever is a week, and a
question about a year must then open each series 53 times instead of five."""


def provide_bucket(buckets, name: str, org: str) -> None:
    """Make the bucket if there is none; what InfluxDB's setup or the playbook made is given our shards.

    What somebody chose otherwise stays. Raises what InfluxDB's client raises, and StoreAway for a name that it refuses.
    """
    from influxdb_client.rest import ApiException

    bucket = find_bucket(buckets, name, org)
    if bucket is None:
        try:
            _make(buckets, name, org)
        except ApiException as error:
            if error.status != 422 or not find_bucket(buckets, name, org):  # 422: somebody else has just made it
                raise
    elif _has_influxdbs_own_shards(bucket):
        bucket.retention_rules = [_forever(SHARD_SECONDS)]
        with suppress(ApiException):  # who refuses this may take readings all the same, or names a better reason
            buckets.update_bucket(bucket)


def _make(buckets, name: str, org: str) -> None:
    # InfluxDB Cloud refuses a bucket with a shard duration ("OSS only") and one that is kept forever on a plan that
    # limits the retention: then a bucket as that server makes them by itself does as well.
    from influxdb_client.rest import ApiException

    text = "Readings of a PowerView client"
    try:
        buckets.create_bucket(bucket_name=name, org=org, description=text, retention_rules=_forever(SHARD_SECONDS))
    except ApiException as error:
        if error.status == 422 and find_bucket(buckets, name, org):
            return
        if error.status not in (400, 403, 422):
            raise
        refused = error
        for rules in ([_forever(None)], []):
            try:
                buckets.create_bucket(bucket_name=name, org=org, description=text, retention_rules=rules)
                return
            except ApiException as error:
                refused = error
        if len(name) < 2:
            raise StoreAway(
                f"InfluxDB refuses bucket {name!r} ({refused.status}: {message(refused)}): InfluxDB Cloud wants names "
                f"of two characters. Rename the client's folder"
            ) from refused
        raise refused from error


def _forever(shard_seconds: int | None):
    from influxdb_client import BucketRetentionRules

    return BucketRetentionRules(type="expire", every_seconds=0, shard_group_duration_seconds=shard_seconds)


def _has_influxdbs_own_shards(bucket) -> bool:
    rules = [(rule.every_seconds, rule.shard_group_duration_seconds) for rule in bucket.retention_rules or ()]
    return rules == [(0, INFLUXDBS_OWN)]


def find_bucket(buckets, name: str, org: str):
    """The bucket of that name, None if there is none. Raises what InfluxDB's client raises."""
    # Asked for by name, since a plain listing shows 20 of them; within the organisation, since a token of the whole
    # server sees other organisations' buckets of that name. InfluxDB answers 404 when there is none.
    from influxdb_client.rest import ApiException

    try:
        return next(iter(buckets.find_buckets(name=name, org=org).buckets), None)
    except ApiException as error:
        if error.status == 404 and not message(error).startswith("organization"):  # `organization name "x" not found`
            return None
        raise
