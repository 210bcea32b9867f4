-- The relations (0: anything else) of which rows were written by the open transaction, or by one that
-- began after it. Rows that were taken away are not to be seen.
WITH entry AS (
{entries}
)
SELECT DISTINCT CASE WHEN c.relkind <> 'c' THEN coalesce(i.indrelid, c.oid) ELSE 0 END
FROM entry e
LEFT JOIN pg_catalog.pg_class c ON c.oid = e.relation
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
-- In whatever schema: it may have been in another one before.
WHERE e.relation = 0 OR c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I', 'c')
