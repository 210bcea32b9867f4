-- The relations (0: anything else) of which rows were written by the open transaction, or by one that
-- began after it. Rows that were taken away are not to be seen.
WITH entry AS (
{entries}
)
SELECT DISTINCT CASE WHEN c.relkind <> 'c' THEN coalesce(i.indrelid, c.oid) ELSE 0 END
FROM entry e
LEFT JOIN pg_catalog.pg_class c ON c.oid = e.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE e.relation = 0 OR c.relkind = 'c'
   OR c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') AND {user_schema}
