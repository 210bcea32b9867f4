-- What some objects run or are made of, one step on.
-- $1 relations that are read, $2 relations whose rows are written, $3 types, $4 operators,
-- $5 functions, $6 operators that the text may mean for such types, $7 whether policies are run,
-- $8 whether rows are only added.
WITH tree (tree) AS (
    SELECT r.ev_action::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE r.ev_type = '1' AND (r.ev_class = ANY ($1) AND c.relkind = 'v'
                               OR r.ev_class = ANY ($2) AND c.relkind = 'm')
  UNION ALL
    SELECT r.ev_action::text || r.ev_qual::text FROM pg_rewrite r
    WHERE r.ev_class = ANY ($2) AND r.ev_type <> '1' AND r.ev_enabled <> 'D'
  UNION ALL
    SELECT d.adbin::text
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = ANY ($2) OR d.adrelid = ANY ($1) AND a.attgenerated = 'v'
  UNION ALL
    SELECT k.conbin::text FROM pg_constraint k
    WHERE k.conbin IS NOT NULL AND (k.conrelid = ANY ($2) OR k.contypid = ANY ($3))
  UNION ALL
    SELECT i.indexprs::text FROM pg_index i
    WHERE i.indexprs IS NOT NULL AND i.indrelid = ANY ($2)
  UNION ALL
    -- Every plan looks at the predicates of indexes.
    SELECT i.indpred::text FROM pg_index i
    WHERE i.indpred IS NOT NULL AND (i.indrelid = ANY ($1) OR i.indrelid = ANY ($2))
  UNION ALL
    SELECT coalesce(p.polqual::text, '') || coalesce(p.polwithcheck::text, '')
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid AND c.relrowsecurity
    WHERE $7 AND (p.polrelid = ANY ($1) OR p.polrelid = ANY ($2))
  UNION ALL
    SELECT t.typdefaultbin::text FROM pg_type t
    WHERE t.oid = ANY ($3) AND t.typdefaultbin IS NOT NULL
  UNION ALL
    SELECT coalesce(p.proargdefaults::text, '') || coalesce(p.{body}::text, '') FROM pg_proc p
    WHERE p.oid = ANY ($5) AND p.oid >= 16384
), constant (tree) AS (
    -- Planning a query computes what depends on no column.
    SELECT i.indexprs::text FROM pg_index i
    WHERE i.indexprs IS NOT NULL AND i.indrelid = ANY ($1)
  UNION ALL
    SELECT k.conbin::text FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid = ANY ($1)
  UNION ALL
    SELECT s.{statistics}::text FROM pg_statistic_ext s
    WHERE s.{statistics} IS NOT NULL AND s.stxrelid = ANY ($1)
  UNION ALL
    SELECT p.partexprs::text FROM pg_partitioned_table p
    WHERE p.partexprs IS NOT NULL AND p.partrelid = ANY ($1)
), class (family) AS (
    SELECT o.opcfamily FROM pg_index i JOIN pg_opclass o ON o.oid = ANY (i.indclass::oid[])
    WHERE i.indrelid = ANY ($1)
  UNION ALL
    SELECT o.opcfamily FROM pg_partitioned_table p
    JOIN pg_opclass o ON o.oid = ANY (p.partclass::oid[]) WHERE p.partrelid = ANY ($1)
  UNION ALL
    SELECT o.opcfamily FROM pg_range r JOIN pg_opclass o ON o.oid = r.rngsubopc
    WHERE r.rngtypid = ANY ($3) OR r.{multirange} = ANY ($3)
  UNION ALL
    SELECT o.opcfamily FROM pg_opclass o
    JOIN pg_am m ON m.oid = o.opcmethod AND m.amname IN ('btree', 'hash')
    WHERE o.opcintype = ANY ($3)
)
-- A relation: its columns, its children; where it is written, its triggers.
SELECT 'type', a.atttypid FROM pg_attribute a
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
UNION
SELECT 'relation', h.inhrelid FROM pg_inherits h WHERE h.inhparent = ANY ($1)
UNION
SELECT 'function', g.tgfoid FROM pg_trigger g
WHERE g.tgrelid = ANY ($2) AND NOT g.tgisinternal AND g.tgenabled <> 'D'
  AND (NOT $8 OR g.tgtype & 4 <> 0)
UNION
SELECT 'function', s.amproc::oid FROM class c JOIN pg_amproc s ON s.amprocfamily = c.family
WHERE s.amproc::oid >= 16384
UNION
SELECT 'operator', s.amopopr FROM class c JOIN pg_amop s ON s.amopfamily = c.family
WHERE s.amopopr >= 16384
UNION
-- Expressions, as the server keeps them: what they name is there by number.
SELECT CASE WHEN m[1] = 'relid' THEN 'relation'
            WHEN m[1] IN ('opno', 'eqop', 'sortop') THEN 'operator'
            WHEN m[1] ~* 'type' THEN 'type' ELSE 'function' END, m[2]::oid
FROM tree t, LATERAL regexp_matches(t.tree, ':(funcid|opfuncid|aggfnoid|winfnoid|hashfuncid|negfuncid|startInRangeFunc|endInRangeFunc|tsmhandler|opno|eqop|sortop|relid|[a-zA-Z_]*[tT]ype(?:[iI]d)?) (\d+)', 'g') m
WHERE m[2] <> '0' AND (m[1] !~* 'type' OR m[2]::int8 >= 16384)
UNION
SELECT 'operator', n::oid
FROM tree t, LATERAL regexp_matches(t.tree, ':opnos \(o ([\d ]+)\)', 'g') m,
     LATERAL regexp_split_to_table(m[1], ' +') n
WHERE n <> ''
UNION
SELECT 'function', m[1]::oid FROM constant t,
     LATERAL regexp_matches(t.tree, ':funcid (\d+)[^{}]*:args (?:<>|\(\{(?:CONST|FUNCEXPR|OPEXPR) )', 'g') m
WHERE m[1]::int8 >= 16384
UNION
-- A type: what it is made of, and what reads, writes, compares and converts it.
SELECT 'type', u.part FROM pg_type t, LATERAL unnest(ARRAY[t.typbasetype, t.typelem]) u (part)
WHERE t.oid = ANY ($3) AND u.part >= 16384
UNION
SELECT 'type', a.atttypid FROM pg_type t
JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
WHERE t.oid = ANY ($3) AND a.atttypid >= 16384
UNION
SELECT 'function', u.function FROM pg_type t,
     LATERAL unnest(ARRAY[t.typinput::oid, t.typoutput::oid, t.typmodin::oid]) u (function)
WHERE t.oid = ANY ($3) AND u.function >= 16384
UNION
SELECT 'type', r.rngsubtype FROM pg_range r
WHERE (r.rngtypid = ANY ($3) OR r.{multirange} = ANY ($3)) AND r.rngsubtype >= 16384
UNION
SELECT 'function', u.function FROM pg_range r,
     LATERAL unnest(ARRAY[r.rngcanonical::oid, r.rngsubdiff::oid]) u (function)
WHERE (r.rngtypid = ANY ($3) OR r.{multirange} = ANY ($3)) AND u.function >= 16384
UNION
SELECT 'operator', o.oid FROM pg_operator o
WHERE o.oid = ANY ($6) AND (o.oprleft = ANY ($3) OR o.oprright = ANY ($3))
UNION
SELECT 'function', c.castfunc FROM pg_cast c
WHERE c.castfunc <> 0 AND (c.castsource = ANY ($3) OR c.casttarget = ANY ($3))
UNION
SELECT 'function', o.oprcode::oid FROM pg_operator o WHERE o.oid = ANY ($4)
UNION
SELECT 'function', u.function FROM pg_aggregate a,
     LATERAL unnest(ARRAY[a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid,
                          a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid,
                          a.aggminvtransfn::oid, a.aggmfinalfn::oid]) u (function)
WHERE a.aggfnoid::oid = ANY ($5) AND u.function >= 16384
