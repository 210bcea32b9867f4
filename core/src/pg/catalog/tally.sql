-- How often rows of those catalogs were written, and taken away, by this session's transaction, and
-- whether that is counted. Transactions before it may be counted too.
SELECT pg_catalog.current_setting('track_counts')::bool,
       pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(t)
                      + pg_catalog.pg_stat_get_xact_tuples_updated(t))::int8,
       -- What is seen through views isn't looked for row by row.
       pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_deleted(t)
                      + CASE WHEN t = ANY ({through_views})
                             THEN pg_catalog.pg_stat_get_xact_tuples_inserted(t)
                                  + pg_catalog.pg_stat_get_xact_tuples_updated(t)
                             ELSE 0 END)::int8
FROM pg_catalog.unnest({catalogs}) t
