-- Every row of the catalogs that the model is read from: the relation that it belongs to (0: none),
-- where it stands, and the transaction that wrote it. A row that is changed stands elsewhere after.
SELECT c.oid AS relation, c.ctid AS place, c.xmin AS born {from pg_class c} AND c.oid >= 16384
UNION ALL
SELECT a.attrelid, a.ctid, a.xmin {from pg_attribute a} AND a.attrelid >= 16384 AND a.attnum > 0
UNION ALL
SELECT x.adrelid, x.ctid, x.xmin {from pg_attrdef x}
UNION ALL
SELECT x.indrelid, x.ctid, x.xmin {from pg_index x} AND x.indexrelid >= 16384
UNION ALL
SELECT x.conrelid, x.ctid, x.xmin {from pg_constraint x} AND x.oid >= 16384
UNION ALL
SELECT x.tgrelid, x.ctid, x.xmin {from pg_trigger x}
UNION ALL
SELECT x.ev_class, x.ctid, x.xmin {from pg_rewrite x} AND x.oid >= 16384
UNION ALL
SELECT x.polrelid, x.ctid, x.xmin {from pg_policy x}
UNION ALL
SELECT x.inhrelid, x.ctid, x.xmin {from pg_inherits x}
UNION ALL
SELECT x.stxrelid, x.ctid, x.xmin {from pg_statistic_ext x}
UNION ALL
SELECT x.seqrelid, x.ctid, x.xmin {from pg_sequence x}
UNION ALL
SELECT x.ftrelid, x.ctid, x.xmin {from pg_foreign_table x}
UNION ALL
SELECT x.partrelid, x.ctid, x.xmin {from pg_partitioned_table x}
UNION ALL
SELECT CASE x.classoid WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN x.objoid ELSE 0 END, x.ctid, x.xmin
{from pg_description x} AND (x.objoid >= 16384
    -- Some of these came with the database.
    OR x.classoid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass,
                      'pg_catalog.pg_extension'::pg_catalog.regclass))
UNION ALL
SELECT CASE x.classoid WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN x.objoid ELSE 0 END, x.ctid, x.xmin
{from pg_seclabel x}
UNION ALL
-- Membership of an extension; the column that a sequence belongs to.
SELECT CASE x.classid WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN x.objid ELSE 0 END, x.ctid, x.xmin
{from pg_depend x} AND (x.deptype = 'e'
    OR x.deptype IN ('a', 'i') AND x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
UNION ALL
-- Types but for those of tables and arrays, which come and go with what they are of.
SELECT 0, y.ctid, y.xmin {from pg_type y} AND y.oid >= 16384
    -- A domain over arrays is of their category.
    AND (y.typtype <> 'b' OR y.typcategory <> 'A')
    AND (y.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c
                                   WHERE c.oid = y.typrelid AND c.relkind = 'c'))
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_proc x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_enum x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_language x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_operator x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_opclass x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_opfamily x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_amop x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_amproc x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_collation x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_conversion x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_cast x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_ts_config x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_ts_dict x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_ts_parser x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_ts_template x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_foreign_data_wrapper x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_foreign_server x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_publication x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_publication_rel x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_event_trigger x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_default_acl x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_am x} AND x.oid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_namespace x}
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_extension x}
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_tablespace x}
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_aggregate x} AND x.aggfnoid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_range x} AND x.rngtypid >= 16384
UNION ALL
SELECT 0, x.ctid, x.xmin {from pg_ts_config_map x} AND x.mapcfg >= 16384
UNION ALL -- since 15
SELECT 0, x.ctid, x.xmin {from pg_publication_namespace x} -- since 15
