-- A mark for each relation, and one (of 0) for all else that is in the model. It is another one as
-- soon as any row of the catalogs that the others read is added, changed or taken away: a changed row
-- stands at another place, or was written by another transaction.
WITH member AS (
    SELECT c.oid, c.relkind, coalesce(i.indrelid, c.oid) AS unit
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') AND {user_schema}
), part (unit, place, born) AS (
    SELECT m.unit, pg_catalog.hashtid(c.ctid), c.xmin
    FROM pg_catalog.pg_class c JOIN member m ON m.oid = c.oid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(a.ctid), a.xmin
    FROM pg_catalog.pg_attribute a JOIN member m ON m.oid = a.attrelid
    WHERE a.attnum > 0 AND a.attrelid >= 16384
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_attrdef x JOIN member m ON m.oid = x.adrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_index x JOIN member m ON m.oid = x.indrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_constraint x JOIN member m ON m.oid = x.conrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_trigger x JOIN member m ON m.oid = x.tgrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_rewrite x JOIN member m ON m.oid = x.ev_class
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_policy x JOIN member m ON m.oid = x.polrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_inherits x JOIN member m ON m.oid = x.inhrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_statistic_ext x JOIN member m ON m.oid = x.stxrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_sequence x JOIN member m ON m.oid = x.seqrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_foreign_table x JOIN member m ON m.oid = x.ftrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_partitioned_table x JOIN member m ON m.oid = x.partrelid
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_description x JOIN member m ON m.oid = x.objoid
    WHERE x.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_seclabel x JOIN member m ON m.oid = x.objoid
    WHERE x.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
    -- Membership of an extension; the column that a sequence belongs to.
    SELECT m.unit, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_depend x JOIN member m ON m.oid = x.objid
    WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND (x.deptype = 'e' OR x.deptype IN ('a', 'i') AND m.relkind = 'S')
  UNION ALL
    -- Types but for those of tables and arrays, which come and go with what they are of.
    SELECT 0, pg_catalog.hashtid(y.ctid), y.xmin
    FROM pg_catalog.pg_type y LEFT JOIN pg_catalog.pg_class c ON c.oid = y.typrelid
    WHERE y.oid >= 16384 AND y.typcategory <> 'A' AND (c.oid IS NULL OR c.relkind = 'c')
  UNION ALL
    SELECT 0, pg_catalog.hashtid(c.ctid), c.xmin
    FROM pg_catalog.pg_class c
    WHERE c.relkind = 'c' AND c.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(a.ctid), a.xmin
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    WHERE c.relkind = 'c' AND c.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_constraint x
    WHERE x.contypid <> 0 AND x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_proc x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_namespace x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_enum x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_language x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_operator x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_opclass x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_opfamily x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_amop x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_amproc x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_collation x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_conversion x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_cast x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_ts_config x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_ts_dict x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_ts_parser x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_ts_template x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_foreign_data_wrapper x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_foreign_server x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_publication x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_publication_rel x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_event_trigger x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_default_acl x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_am x
    WHERE x.oid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_extension x
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_tablespace x
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_aggregate x
    WHERE x.aggfnoid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_range x
    WHERE x.rngtypid >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_ts_config_map x
    WHERE x.mapcfg >= 16384
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_description x
    WHERE x.objoid >= 16384 AND x.classoid <> 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_seclabel x
    WHERE x.objoid >= 16384 AND x.classoid <> 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin
    FROM pg_catalog.pg_depend x
    WHERE x.deptype = 'e' AND x.classid <> 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
    -- What is only to be seen through views.
    SELECT 0, pg_catalog.hashtext(x.oid || ' ' || x.rolname), NULL FROM pg_catalog.pg_roles x
  UNION ALL
    SELECT 0, pg_catalog.hashtext(x.umid || ' ' || x.usename || ' ' || x.srvname), NULL
    FROM pg_catalog.pg_user_mappings x
  UNION ALL -- since 15
    SELECT 0, pg_catalog.hashtid(x.ctid), x.xmin -- since 15
    FROM pg_catalog.pg_publication_namespace x -- since 15
)
SELECT p.unit, pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(p.place),
           -- Ages grow, and keep their distances. Those of frozen rows are one number.
           pg_catalog.sum(CASE WHEN pg_catalog.age(p.born) < 2147483647
                               THEN pg_catalog.age(p.born)::int8 - pg_catalog.age('3'::xid) END))
FROM part p
GROUP BY p.unit
