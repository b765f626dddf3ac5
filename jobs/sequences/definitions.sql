-- name: sequences
-- Columns that the product left NULL count as their defaults: active, no config.
SELECT q.id, q.slug, q.trigger_type, q.segment_id,
    left(q.trigger_config ::text, :longest ::int + 1) AS trigger_config
FROM newsletter_sequences q
WHERE coalesce(q.status, 'active') = 'active'
    AND EXISTS (SELECT FROM newsletter_sequence_steps st WHERE st.sequence_id = q.id)
ORDER BY q.slug;

-- name: steps
-- Of each sequence one step more than it may have, to see that there are too many.
SELECT st.id, st.sequence_id, st.step_order, st.delay_value, st.delay_unit, st.action_type,
    left(st.action_config ::text, :longest ::int + 1) AS action_config,
    coalesce(nullif(st.subject, ''), t.subject, '') <> '' AS has_subject,
    coalesce(octet_length(coalesce(st.content_html, t.html_template)), 0)
        + coalesce(octet_length(coalesce(st.content_text, t.text_template)), 0) AS octets,
    coalesce(st.content_html, t.html_template, '') <> '' AS has_html
FROM (
    SELECT s.*, row_number() OVER (PARTITION BY s.sequence_id ORDER BY s.step_order) AS n
    FROM newsletter_sequence_steps s
    WHERE s.sequence_id = ANY (:sequences ::uuid[])
) st
LEFT JOIN email_templates t ON t.id = st.template_id
WHERE st.n <= :most ::int + 1
ORDER BY st.sequence_id, st.step_order;

-- name: segments
SELECT g.id, g.slug, coalesce(g.is_dynamic, true) AS is_dynamic
FROM newsletter_segments g
WHERE g.slug = ANY (:slugs ::text[]) OR g.id = ANY (:ids ::uuid[]);

-- name: remember!
-- Who is seen for the first time, again after a pause, or with another trigger, begins now.
INSERT INTO lamplighter.sequences AS k (sequence_id, first_active_at, active_since, trigger_key)
SELECT id, :now, :now, trigger_key
FROM unnest(:sequences ::uuid[], :triggers ::text[]) AS seen (id, trigger_key)
ORDER BY id
ON CONFLICT (sequence_id) DO UPDATE
    SET active_since = excluded.active_since, trigger_key = excluded.trigger_key, looked_at = NULL
    WHERE k.active_since IS NULL OR k.trigger_key <> excluded.trigger_key;

-- name: notice_pauses!
UPDATE lamplighter.sequences
SET active_since = NULL, looked_at = NULL
WHERE active_since IS NOT NULL AND sequence_id <> ALL (:sequences ::uuid[]);

-- name: known
SELECT sequence_id, active_since, looked_at
FROM lamplighter.sequences
WHERE sequence_id = ANY (:sequences ::uuid[]);
