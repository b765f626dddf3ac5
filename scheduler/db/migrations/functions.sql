-- Version: 2
-- Laid anew whenever that number has risen, after the numbered ones; raise it with every change here.
-- Daemons of the version before may be running beside this one, so a change keeps names, arguments and
-- answers.

-- How runs come to be and change hands. Each is one round trip and one commit, and safe against any
-- number of daemons doing the same at the same moment. `clock` is the caller's now; leases are
-- compared by this server's clock alone.

-- Makes the rows of `fires` (in their order), and starts as many of them as there are `slots`.
-- outcome: started | queued | skipped | missed, or without a new row: known (this fire of the clock
-- has its row already), busy (a manual run while another is active; run_id is that one's), repeated
-- (the same idempotency key was used within 24 h; run_id is that call's), conflict (it was used with
-- other arguments).
-- `marks` are the entries that are accounted for with these rows: [{job, watermark, pause_ended}].
CREATE OR REPLACE FUNCTION lamplighter.fire(
    fires jsonb, by_replica text, clock timestamptz, slots int, marks jsonb DEFAULT '[]')
RETURNS TABLE (ordinal bigint, run_id uuid, outcome text)
LANGUAGE plpgsql AS $$
DECLARE
    f record;
    active record;
    waits_fire boolean;
    busy_id uuid;
    on_clock boolean;
    decided text;
    why text;
    room int := slots;
BEGIN
    -- One decision at a time for each key, taken in one order so that callers cannot deadlock.
    PERFORM pg_advisory_xact_lock(7102004, k)
    FROM (SELECT DISTINCT hashtext(x.overlap_key) AS k
          FROM jsonb_to_recordset(fires) AS x(overlap_key text) ORDER BY 1) AS keys;
    PERFORM pg_advisory_xact_lock(7102005, k)
    FROM (SELECT DISTINCT hashtext(x.idempotency_key) AS k
          FROM jsonb_to_recordset(fires) AS x(idempotency_key text)
          WHERE x.idempotency_key IS NOT NULL ORDER BY 1) AS keys;

    FOR f IN
        SELECT * FROM ROWS FROM (jsonb_to_recordset(fires) AS (
            id uuid, job text, job_type text, trigger text, scheduled_for timestamptz,
            overlap_key text, overlap text, params jsonb, max_attempts int, requested_by text,
            reason text, not_before timestamptz, final_status text, data jsonb,
            idempotency_key text, arguments_hash text
        )) WITH ORDINALITY AS x(
            id, job, job_type, trigger, scheduled_for, overlap_key, overlap, params, max_attempts,
            requested_by, reason, not_before, final_status, data, idempotency_key,
            arguments_hash, n)
        ORDER BY n
    LOOP
        ordinal := f.n;
        on_clock := f.trigger IN ('schedule', 'catch_up');
        IF on_clock THEN
            SELECT r.id INTO busy_id FROM lamplighter.runs r
            WHERE r.job = f.job AND r.scheduled_for = f.scheduled_for
              AND r.trigger IN ('schedule', 'catch_up');
            IF FOUND THEN
                run_id := busy_id; outcome := 'known';
                RETURN NEXT;
                CONTINUE;
            END IF;
        END IF;

        IF f.idempotency_key IS NOT NULL THEN
            DELETE FROM lamplighter.idempotency_keys k
            WHERE k.key = f.idempotency_key AND k.created_at <= clock - interval '24 hours';
            SELECT k.run_id, CASE WHEN k.arguments_hash = f.arguments_hash
                                  THEN 'repeated' ELSE 'conflict' END
            INTO run_id, outcome
            FROM lamplighter.idempotency_keys k WHERE k.key = f.idempotency_key;
            IF FOUND THEN
                RETURN NEXT;
                CONTINUE;
            END IF;
        END IF;

        why := NULL;
        IF f.final_status IS NOT NULL THEN
            decided := f.final_status;
        ELSE
            SELECT r.id, r.trigger, r.status INTO active FROM lamplighter.runs r
            WHERE r.overlap_key = f.overlap_key AND r.status IN ('running', 'retrying');
            busy_id := active.id;
            IF busy_id IS NULL THEN
                -- A fire whose jitter is not over yet does not keep anybody from running the job.
                SELECT r.id INTO busy_id FROM lamplighter.runs r
                WHERE r.overlap_key = f.overlap_key AND r.status = 'queued'
                  AND (on_clock OR coalesce(r.next_attempt_at, clock) <= clock)
                ORDER BY r.scheduled_for, r.seq LIMIT 1;
            END IF;
            waits_fire := EXISTS (
                SELECT FROM lamplighter.runs r
                WHERE r.overlap_key = f.overlap_key AND r.status = 'queued'
                  AND r.trigger IN ('schedule', 'catch_up'));

            IF NOT on_clock AND busy_id IS NOT NULL THEN
                run_id := busy_id; outcome := 'busy';
                RETURN NEXT;
                CONTINUE;
            END IF;

            decided := CASE WHEN busy_id IS NULL AND room > 0
                             AND coalesce(f.not_before, clock) <= clock
                            THEN 'running' ELSE 'queued' END;
            IF f.trigger = 'schedule' AND busy_id IS NOT NULL THEN
                IF f.overlap = 'skip' AND active.trigger IN ('schedule', 'catch_up') THEN
                    decided := 'skipped';
                    why := 'overlap: skip; the run before was still going';
                ELSIF f.overlap IN ('skip', 'queue') AND waits_fire THEN
                    decided := 'skipped';
                    why := 'overlap: ' || f.overlap || '; another fire is already waiting';
                ELSIF f.overlap = 'cancel_running' THEN
                    UPDATE lamplighter.runs r
                    SET status = CASE r.status WHEN 'running' THEN 'running' ELSE 'cancelled' END,
                        finished_at = CASE r.status WHEN 'running' THEN NULL ELSE clock END,
                        cancel_requested_at = clock,
                        error_type = 'Cancelled',
                        error_message = 'overlap: cancel_running; the next fire took its place'
                    WHERE r.overlap_key = f.overlap_key
                      AND r.status IN ('queued', 'running', 'retrying');
                    decided := CASE WHEN active.status = 'running' OR room <= 0
                                    OR coalesce(f.not_before, clock) > clock
                                    THEN 'queued' ELSE 'running' END;
                END IF;
            END IF;
        END IF;

        INSERT INTO lamplighter.runs (
            id, job, job_type, trigger, status, scheduled_for, overlap_key, params, requested_by,
            reason, created_at, started_at, finished_at, attempt, max_attempts, next_attempt_at,
            replica, data)
        VALUES (
            f.id, f.job, f.job_type, f.trigger, decided, f.scheduled_for, f.overlap_key, f.params,
            f.requested_by, f.reason, clock,
            CASE WHEN decided = 'running' THEN clock END,
            CASE WHEN decided IN ('skipped', 'missed') THEN clock END,
            CASE WHEN decided = 'running' THEN 1 ELSE 0 END, f.max_attempts, f.not_before,
            CASE WHEN decided = 'running' THEN by_replica END,
            CASE WHEN why IS NULL THEN f.data
                 ELSE jsonb_build_object('reason', why, 'blockedBy', busy_id) END);
        IF decided = 'running' THEN
            room := room - 1;
            INSERT INTO lamplighter.attempts (
                run_id, attempt, cause, replica, status, started_at, heartbeat_at)
            VALUES (f.id, 1, 'first', by_replica, 'running', clock, clock_timestamp());
        END IF;
        IF f.idempotency_key IS NOT NULL THEN
            INSERT INTO lamplighter.idempotency_keys (key, arguments_hash, run_id, created_at)
            VALUES (f.idempotency_key, f.arguments_hash, f.id, clock);
        END IF;
        run_id := f.id;
        outcome := CASE decided WHEN 'running' THEN 'started' ELSE decided END;
        RETURN NEXT;
    END LOOP;

    UPDATE lamplighter.entries e
    SET watermark = greatest(e.watermark, m.watermark),
        begun_at = CASE WHEN ends THEN clock ELSE e.begun_at END,
        paused_at = CASE WHEN ends THEN NULL ELSE e.paused_at END,
        paused_until = CASE WHEN ends THEN NULL ELSE e.paused_until END,
        paused_by = CASE WHEN ends THEN NULL ELSE e.paused_by END,
        paused_reason = CASE WHEN ends THEN NULL ELSE e.paused_reason END
    FROM (SELECT x.job, x.watermark, x.pause_ended
          FROM jsonb_to_recordset(marks) AS x(job text, watermark timestamptz, pause_ended boolean)
         ) AS m
    CROSS JOIN LATERAL (
        -- It may have been paused again meanwhile.
        SELECT m.pause_ended AND p.paused_until <= clock AS ends
        FROM lamplighter.entries p WHERE p.job = m.job) AS pause
    WHERE e.job = m.job;
END
$$;

-- Takes up to `most` waiting runs whose time has come and whose key is free; `only` that one, if given.
CREATE OR REPLACE FUNCTION lamplighter.claim(
    by_replica text, clock timestamptz, most int, known_types text[], only_run uuid DEFAULT NULL)
RETURNS SETOF lamplighter.runs
LANGUAGE plpgsql AS $$
DECLARE
    waiting record;
    taken lamplighter.runs;
    left_over int := most;
BEGIN
    FOR waiting IN
        SELECT r.id, r.overlap_key, r.status FROM lamplighter.runs r
        WHERE r.status IN ('queued', 'retrying')
          AND coalesce(r.next_attempt_at, clock) <= clock
          AND r.job_type = ANY (known_types)
          AND (only_run IS NULL OR r.id = only_run)
          AND (r.status = 'retrying' OR NOT EXISTS (
                SELECT FROM lamplighter.runs o
                WHERE o.overlap_key = r.overlap_key AND o.status IN ('running', 'retrying')))
          AND (r.status = 'retrying' OR NOT EXISTS (
                SELECT FROM lamplighter.runs o
                WHERE o.overlap_key = r.overlap_key AND o.status = 'queued'
                  AND coalesce(o.next_attempt_at, clock) <= clock
                  AND (o.scheduled_for, o.seq) < (r.scheduled_for, r.seq)))
        ORDER BY r.scheduled_for, r.seq
        LIMIT most * 2
    LOOP
        EXIT WHEN left_over <= 0;
        -- Another daemon decides on this key right now: it is looked at again in a moment.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(7102004, hashtext(waiting.overlap_key));
        UPDATE lamplighter.runs r
        SET status = 'running', attempt = r.attempt + 1, replica = by_replica,
            started_at = coalesce(r.started_at, clock), next_attempt_at = NULL,
            error_type = NULL, error_message = NULL
        WHERE r.id = waiting.id AND r.status = waiting.status
          AND (r.status = 'retrying' OR NOT EXISTS (
                SELECT FROM lamplighter.runs o
                WHERE o.overlap_key = r.overlap_key AND o.status IN ('running', 'retrying')))
        RETURNING * INTO taken;
        IF FOUND THEN
            INSERT INTO lamplighter.attempts (
                run_id, attempt, cause, replica, status, started_at, heartbeat_at)
            VALUES (taken.id, taken.attempt, taken.next_cause, by_replica, 'running', clock,
                    clock_timestamp());
            left_over := left_over - 1;
            RETURN NEXT taken;
        END IF;
    END LOOP;
END
$$;

-- Raises LP001 unless this attempt still owns its run; until the caller's commit nobody takes it over.
CREATE OR REPLACE FUNCTION lamplighter.hold_lease(of_run uuid, of_attempt int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM lamplighter.runs r
    WHERE r.id = of_run AND r.attempt = of_attempt AND r.status = 'running' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'attempt % of run % no longer owns it', of_attempt, of_run
            USING ERRCODE = 'LP001';
    END IF;
END
$$;

-- How alike are two texts? As the extension pg_trgm has it, which belongs to the database's owner to
-- install or not.

-- The trigrams of words in lower case that are apart by one space each; they are set between two
-- spaces and one, so that beginnings count more than ends.
CREATE OR REPLACE FUNCTION lamplighter.trigrams(words text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- By windows, not by substr, which counts its way from the beginning of a long word each time.
    SELECT coalesce(array_agg(DISTINCT t), '{}')
    FROM (SELECT c || lead(c) OVER w || lead(c, 2) OVER w AS t
          FROM unnest(string_to_array(words, ' ')) WITH ORDINALITY AS each (word, place)
          CROSS JOIN LATERAL unnest(string_to_array('  ' || word || ' ', NULL))
              WITH ORDINALITY AS letters (c, n)
          WHERE word <> ''
          WINDOW w AS (PARTITION BY place ORDER BY n)) AS found
    WHERE t IS NOT NULL
$$;

-- The share of trigrams that both have, from 0 to 1. Each array has each trigram once.
CREATE OR REPLACE FUNCTION lamplighter.similarity(one text[], other text[]) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN shared = 0 THEN 0
        ELSE shared::float8 / (cardinality(one) + cardinality(other) - shared) END
    FROM (SELECT count(*) AS shared FROM unnest(one) AS a (t) JOIN unnest(other) AS b (t) USING (t)
         ) AS both_have
$$;

-- What somebody was shown who approves: another title, text or action is another hash.
CREATE OR REPLACE FUNCTION lamplighter.shown_hash(title text, body text, action jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(title, body, action)::text, 'UTF8')), 'hex')
$$;
