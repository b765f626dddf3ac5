-- Which periods of the product's events are rolled up, and which of them may be written again.

-- fragment: cleaned
(
    SELECT w.at FROM lamplighter.watermarks w
    WHERE w.job = 'cleanup' AND w.key = 'analytics_events'
)

-- fragment: whole
-- Whether all events of a `period` are there, so that its numbers may be written. `known` is how
-- many it had when it was last written here, `stored` whether it has a row at all.
CASE
    -- The cleanup has been here. While the rollup is on the clock it passes over what was never
    -- rolled up, so that a period with events of which nothing is stored may still be whole.
    WHEN period.starts_at < {cleaned} AND (
        period.stored OR period.known IS NOT NULL OR period.events = 0
        OR period.ends_at > {cleaned}
    ) THEN false
    -- Late events only add to them.
    WHEN period.known IS NOT NULL THEN period.events >= period.known
    -- Written by somebody else: whoever deletes begins with the oldest, so where the day before
    -- still has events, nothing of this period is gone.
    WHEN period.stored THEN EXISTS (
        SELECT FROM {events} e
        WHERE e.at >= period.starts_at - interval '1 day' AND e.at < period.starts_at
    )
    -- Nothing better is to be had, and nothing is overwritten.
    ELSE true
END

-- fragment: response_ms
-- What an event says of its response time: a number of milliseconds, up to a day's.
CASE jsonb_typeof(coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms'))
    WHEN 'number' THEN CASE
        WHEN coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms') ::numeric
            BETWEEN 0 AND 86400000
        THEN coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms') ::numeric
    END
END

-- name: done_before$
SELECT at FROM lamplighter.watermarks WHERE job = :job AND key = '';

-- name: advance!
INSERT INTO lamplighter.watermarks AS w (job, at) VALUES (:job, :at)
ON CONFLICT (job, key) DO UPDATE SET at = greatest(w.at, excluded.at);

-- name: known_periods
SELECT starts_at FROM lamplighter.rollups
WHERE rollup = :rollup AND starts_at >= :first AND starts_at < :before
ORDER BY starts_at;

-- name: first_event$
-- Where events begin: `:first` if they reach back behind it, else the first one after it.
SELECT CASE
    WHEN EXISTS (SELECT FROM {events} e WHERE e.at < :first) THEN :first
    ELSE (SELECT min(e.at) FROM {events} e WHERE e.at >= :first AND e.at < :before)
END;
