-- name: load
SELECT * FROM lamplighter.entries WHERE job = ANY (:jobs ::text[]);

-- name: begin!
-- A new or changed entry begins now: nothing before is missed. A pause outlives a change.
INSERT INTO lamplighter.entries (job, fingerprint, watermark, begun_at)
SELECT x.job, x.fingerprint, :clock, :clock
FROM jsonb_to_recordset(:entries ::jsonb) AS x(job text, fingerprint text)
ON CONFLICT (job) DO UPDATE
SET fingerprint = excluded.fingerprint, watermark = excluded.watermark, begun_at = excluded.begun_at
WHERE lamplighter.entries.fingerprint <> excluded.fingerprint;

-- name: end!
-- Entries that left the schedule, or were disabled, begin anew when they come back.
UPDATE lamplighter.entries SET fingerprint = '' WHERE NOT job = ANY (:jobs ::text[]);

-- name: pause!
-- Fires that wait for their turn or for the end of their jitter are not run either.
WITH waiting AS (
    UPDATE lamplighter.runs
    SET status = 'skipped', finished_at = :clock, next_attempt_at = NULL,
        data = jsonb_build_object('reason', concat_ws(': ', 'paused by ' || :who ::text, :reason ::text))
    WHERE job = :job AND status = 'queued' AND trigger IN ('schedule', 'catch_up')
)
INSERT INTO lamplighter.entries (
    job, fingerprint, watermark, begun_at, paused_at, paused_until, paused_by, paused_reason)
VALUES (:job, '', :clock, :clock, :clock, :until, :who, :reason)
ON CONFLICT (job) DO UPDATE
SET paused_at = CASE WHEN lamplighter.entries.paused_until <= :clock
                     THEN :clock
                     ELSE coalesce(lamplighter.entries.paused_at, excluded.paused_at) END,
    paused_until = excluded.paused_until,
    paused_by = excluded.paused_by,
    paused_reason = excluded.paused_reason;

-- name: resume^
-- The pause ends now; the clock accounts for its fires at its next look, and clears it.
UPDATE lamplighter.entries SET paused_until = :clock
WHERE job = :job AND paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > :clock)
RETURNING job;
