-- fragment: start_date
-- In ISO 8601, whatever the server's own way with dates is.
(to_jsonb(c.start_date) #>> '{}')

-- fragment: end_date
(to_jsonb(c.end_date) #>> '{}')

-- name: published
-- JSON and dates as text: whatever they hold, reading it fails nobody but its own cohort.
SELECT c.id, c.slug, c.cohort_type, c.granularity, c.metric, {start_date} AS start_date,
    {end_date} AS end_date, left(c.filters ::text, :longest ::int) AS filters, w.at AS computed_for
FROM analytics_cohorts c
LEFT JOIN lamplighter.watermarks w ON w.job = 'refresh-cohorts' AND w.key = c.id ::text
WHERE coalesce(c.status, 'published') = 'published'
    AND (:slugs ::text[] IS NULL OR c.slug = ANY (:slugs ::text[]))
ORDER BY c.slug;

-- name: stored$
-- Locked, so that two runs do not both build on the same numbers.
SELECT cohort_data ::text FROM analytics_cohorts WHERE id = :id FOR NO KEY UPDATE;

-- name: write$
-- Only where nobody has changed what is asked for since it was read.
UPDATE analytics_cohorts c
SET cohort_data = :data ::text ::jsonb, last_computed_at = :now
WHERE c.id = :id
    AND c.cohort_type = :cohort_type AND c.granularity = :granularity AND c.metric = :metric
    AND left(c.filters ::text, :longest ::int) IS NOT DISTINCT FROM :filters ::text
    AND {start_date} IS NOT DISTINCT FROM :start_date ::text
    AND {end_date} IS NOT DISTINCT FROM :end_date ::text
RETURNING c.id;

-- name: remember!
INSERT INTO lamplighter.watermarks AS w (job, key, at)
VALUES ('refresh-cohorts', :id ::uuid ::text, :at)
ON CONFLICT (job, key) DO UPDATE SET at = excluded.at;
