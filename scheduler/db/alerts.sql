-- name: begin^
-- A row only where alerts have never looked before.
INSERT INTO lamplighter.alert_looks (looked_at) VALUES (:now)
ON CONFLICT (one) DO NOTHING RETURNING looked_at;

-- name: lock^
-- No row while another replica looks.
SELECT looked_at FROM lamplighter.alert_looks FOR UPDATE SKIP LOCKED;

-- name: looked!
UPDATE lamplighter.alert_looks SET looked_at = :now;

-- name: ended
-- What ended badly and was not looked at yet, oldest first.
SELECT r.id AS run_id, r.job, r.status, r.finished_at, r.error_type, r.error_message,
       CASE jsonb_typeof(r.data) WHEN 'object' THEN r.data END AS data
FROM lamplighter.runs r
WHERE r.finished_at >= :since
  AND r.status IN ('failed', 'timed_out', 'abandoned', 'missed')
  -- What somebody asked of a thing that is not there says nothing of the job.
  AND r.error_type IS DISTINCT FROM 'NotFoundError'
  AND NOT EXISTS (SELECT FROM lamplighter.alert_seen s WHERE s.run_id = r.id)
ORDER BY r.seq
LIMIT :most;

-- name: see!
INSERT INTO lamplighter.alert_seen (run_id, finished_at)
SELECT x.run_id, x.at FROM jsonb_to_recordset(:ended ::jsonb) AS x(run_id uuid, at timestamptz)
ON CONFLICT DO NOTHING;

-- name: see_all!
-- What ended badly before alerts were turned on.
INSERT INTO lamplighter.alert_seen (run_id, finished_at)
SELECT r.id, r.finished_at FROM lamplighter.runs r
WHERE r.finished_at >= :since AND r.finished_at <= :until
  AND r.status IN ('failed', 'timed_out', 'abandoned', 'missed')
ON CONFLICT DO NOTHING;

-- name: forget_seen!
DELETE FROM lamplighter.alert_seen WHERE finished_at < :before;

-- name: active
SELECT DISTINCT r.job FROM lamplighter.runs r WHERE r.status IN ('running', 'retrying');

-- name: incidents
SELECT * FROM lamplighter.alert_incidents;

-- name: close!
DELETE FROM lamplighter.alert_incidents WHERE key = ANY (:keys ::text[]);

-- name: keep!
INSERT INTO lamplighter.alert_incidents (
    key, kind, subject, job, opened_at, seen_at, count, words, run_id, told_at, reminded_at, is_baseline)
SELECT x.key, x.kind, x.subject, x.job, x.opened_at, x.seen_at, x.count, x.words, x.run_id, x.told_at,
       x.reminded_at, x.is_baseline
FROM jsonb_to_recordset(:incidents ::jsonb) AS x(
    key text, kind text, subject text, job text, opened_at timestamptz, seen_at timestamptz, count int,
    words text, run_id uuid, told_at timestamptz, reminded_at timestamptz, is_baseline boolean)
ON CONFLICT (key) DO UPDATE
SET kind = excluded.kind, opened_at = excluded.opened_at, seen_at = excluded.seen_at,
    count = excluded.count, words = excluded.words, run_id = excluded.run_id,
    told_at = excluded.told_at, reminded_at = excluded.reminded_at;

-- name: notify!
INSERT INTO lamplighter.alert_notices (
    at, kind, subject, job, since, was, again, count, words, run_id, not_for)
SELECT x.at, x.kind, x.subject, x.job, x.since, x.was, x.again, x.count, x.words, x.run_id, x.not_for
FROM ROWS FROM (jsonb_to_recordset(:notices ::jsonb) AS (
    at timestamptz, kind text, subject text, job text, since timestamptz, was text, again boolean,
    count int, words text, run_id uuid, not_for text)) WITH ORDINALITY AS x(
    at, kind, subject, job, since, was, again, count, words, run_id, not_for, n)
ORDER BY x.n;

-- name: waiting
SELECT * FROM lamplighter.alert_notices WHERE message_id IS NULL ORDER BY id LIMIT :most;

-- name: sent
-- When the messages of the last hour were made.
SELECT at FROM lamplighter.alert_messages WHERE at > :since;

-- name: write$
INSERT INTO lamplighter.alert_messages (at, title, body, is_good)
VALUES (:now, :title, :body, :is_good) RETURNING id;

-- name: told!
UPDATE lamplighter.alert_notices SET message_id = :message_id WHERE id = ANY (:ids ::bigint[]);

-- name: post!
INSERT INTO lamplighter.alert_deliveries (message_id, channel)
SELECT :message_id, unnest(:channels ::text[]);

-- name: forget!
-- With them go their notices and deliveries.
DELETE FROM lamplighter.alert_messages WHERE at < :before;

-- name: claim
-- The oldest open message of each channel, if its time has come and nobody else is at it.
UPDATE lamplighter.alert_deliveries d
SET claimed_until = clock_timestamp() + :lease ::interval, attempts = d.attempts + 1
FROM (SELECT o.message_id, o.channel
      FROM (SELECT DISTINCT ON (e.channel) e.message_id, e.channel, e.next_at, e.claimed_until
            FROM lamplighter.alert_deliveries e
            WHERE e.channel = ANY (:channels ::text[]) AND e.sent_at IS NULL AND e.given_up_at IS NULL
            ORDER BY e.channel, e.message_id) AS o
      WHERE o.next_at <= clock_timestamp()
        AND (o.claimed_until IS NULL OR o.claimed_until < clock_timestamp())
      ORDER BY o.next_at LIMIT :most) AS f
JOIN lamplighter.alert_messages m ON m.id = f.message_id
WHERE d.message_id = f.message_id AND d.channel = f.channel
  AND d.sent_at IS NULL AND d.given_up_at IS NULL
  AND d.next_at <= clock_timestamp()
  AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp())
RETURNING d.message_id, d.channel, d.attempts, m.title, m.body, m.is_good;

-- name: delivered!
UPDATE lamplighter.alert_deliveries SET sent_at = clock_timestamp(), claimed_until = NULL
WHERE message_id = :message_id AND channel = :channel;

-- name: refused!
-- Tried again later, unless what it says is too old to help anybody.
UPDATE lamplighter.alert_deliveries d
SET claimed_until = NULL, next_at = clock_timestamp() + :pause ::interval,
    given_up_at = CASE WHEN m.at < :too_old ::timestamptz THEN clock_timestamp() END
FROM lamplighter.alert_messages m
WHERE d.message_id = :message_id AND d.channel = :channel AND m.id = d.message_id;

-- name: channel_tried!
INSERT INTO lamplighter.alert_channels (channel, tried_at, failing_since, reason)
VALUES (:channel, :now, CASE WHEN :reason ::text IS NOT NULL THEN :now ::timestamptz END, :reason)
ON CONFLICT (channel) DO UPDATE
SET tried_at = excluded.tried_at, reason = excluded.reason,
    failing_since = CASE WHEN excluded.reason IS NOT NULL
        THEN coalesce(lamplighter.alert_channels.failing_since, excluded.tried_at) END;

-- name: channels_out
SELECT channel, failing_since, reason FROM lamplighter.alert_channels
WHERE channel = ANY (:channels ::text[]) AND failing_since IS NOT NULL
ORDER BY channel;
