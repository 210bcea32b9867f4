-- A mark for each relation, and one (of 0) for all else that is in the model. It is another one as
-- soon as any row of the catalogs that the others read is added, changed or taken away: a changed row
-- stands at another place, or was written by another transaction.
WITH entry AS (
{entries}
), mark (relation, entries, places, births) AS (
    SELECT e.relation, pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtid(e.place)),
           -- Ages grow, and keep their distances. Those of frozen rows are one number.
           pg_catalog.sum(CASE WHEN pg_catalog.age(e.born) < 2147483647
                               THEN pg_catalog.age(e.born)::int8 - pg_catalog.age('3'::xid) END)
    FROM entry e
    GROUP BY e.relation
  UNION ALL
    -- What is only to be seen through views.
    SELECT 0, pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtext(x.oid || ' ' || x.rolname)), 0
    FROM pg_catalog.pg_roles x
  UNION ALL
    SELECT 0, pg_catalog.count(*),
           pg_catalog.sum(pg_catalog.hashtext(x.umid || ' ' || x.usename || ' ' || x.srvname)), 0
    FROM pg_catalog.pg_user_mappings x
)
SELECT CASE WHEN c.relkind <> 'c' THEN coalesce(i.indrelid, c.oid) ELSE 0 END, pg_catalog.concat_ws(' ', pg_catalog.sum(m.entries), pg_catalog.sum(m.places),
                                         pg_catalog.sum(m.births))
FROM mark m
LEFT JOIN pg_catalog.pg_class c ON c.oid = m.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE m.relation = 0 OR c.relkind = 'c'
   OR c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') AND {user_schema}
GROUP BY 1
