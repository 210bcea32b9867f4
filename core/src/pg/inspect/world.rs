//! The whole structure: relations with their columns, keys and parents, foreign keys, types.

use std::collections::BTreeMap;

use futures_util::try_join;
use tokio_postgres::Client;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Beneath;
use crate::model::relation::Column;
use crate::model::relation::ConditionalUnique;
use crate::model::relation::ForeignKey;
use crate::model::relation::Oid;
use crate::model::relation::Part;
use crate::model::relation::Relation;
use crate::model::relation::RelationKind;
use crate::model::relation::World;
use crate::pg::{query, value};

use super::{Reach, within};

// No sizes: asking for one locks the table, and waits for whoever holds it.
const RELATIONS: &str = "
SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text, c.reltuples::int8,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
               WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D')
       OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w
                  WHERE w.ev_class = c.oid AND w.ev_type <> '1' AND w.ev_enabled <> 'D'),
       (SELECT e.extname::pg_catalog.text
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
          AND d.objsubid = 0 AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass),
       EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partdefid = c.oid),
       nullif(c.reloftype, 0)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND {user_schema}";

// A view that can be written to without triggers and rules in its place has one relation in its FROM,
// and that is the first one that its definition names after the view itself. Looking whether it can would
// lock it. Where it holds sub-queries, it isn't known which columns are whose.
const VIEWS: &str = "
SELECT v.view, b.oid, m.mine, m.its
FROM (SELECT r.ev_class AS view, r.ev_action::pg_catalog.text AS tree
      FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'v' AND r.ev_type = '1' AND {user_schema}
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                        WHERE t.tgrelid = c.oid AND t.tgtype & 64 <> 0)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite i
                        WHERE i.ev_class = c.oid AND i.ev_type <> '1' AND i.is_instead)) v
CROSS JOIN LATERAL (
    SELECT b.oid FROM pg_catalog.pg_class b
    WHERE b.oid = pg_catalog.substring(
        pg_catalog.replace(v.tree, pg_catalog.format(':relid %s ', v.view), ''),
        ':relid (\\d+) ')::pg_catalog.oid AND b.relkind IN ('r', 'p', 'f', 'v')) b
CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.array_agg(a.attname::pg_catalog.text), '{}') AS mine,
           coalesce(pg_catalog.array_agg(o.attname::pg_catalog.text), '{}') AS its
    FROM pg_catalog.regexp_matches(
        CASE WHEN pg_catalog.strpos(v.tree, ':hasSubLinks true') = 0 THEN v.tree ELSE '' END,
        '\\{TARGETENTRY :expr \\{VAR :varno \\d+ :varattno (\\d+)[^{}]*\\} :resno (\\d+)', 'g') e (part)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = v.view AND a.attnum = e.part[2]::int2
    JOIN pg_catalog.pg_attribute o ON o.attrelid = b.oid AND o.attnum = e.part[1]::int2) m";

const PARTS: &str = "
SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind <> 'S',
       CASE WHEN c.relkind <> 'S' THEN i.indrelid ELSE
           (SELECT d.refobjid FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
              AND d.objsubid = 0 AND d.deptype IN ('a', 'i')
              AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass LIMIT 1) END,
       EXISTS (SELECT FROM pg_catalog.pg_constraint k
               WHERE k.conrelid = i.indrelid AND k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('i', 'I', 'S') AND {user_schema}";

// Since 18 attnotnull is also set for a NOT NULL that is NOT VALID: it promises nothing.
const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint k
           WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum
             AND NOT k.convalidated),
       a.attgenerated <> '', a.attidentity <> '', a.atttypid,
       a.atttypid = 'pg_catalog.bpchar'::pg_catalog.regtype AND a.atttypmod < 0
       OR EXISTS (
           WITH RECURSIVE base (type, modifier) AS (
               SELECT d.typbasetype, d.typtypmod FROM pg_catalog.pg_type d
               WHERE d.oid = a.atttypid AND d.typtype = 'd'
               UNION ALL
               SELECT d.typbasetype, d.typtypmod FROM base
               JOIN pg_catalog.pg_type d ON d.oid = base.type AND d.typtype = 'd')
           SELECT FROM base
           WHERE base.type = 'pg_catalog.bpchar'::pg_catalog.regtype AND base.modifier < 0),
       a.atttypid = ANY ({written_by_cast}), a.atttypid = ANY ({read_by_cast}),
       NOT (a.atttypid = ANY ({exact})
            OR EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = a.atttypid AND e.typtype = 'e')),
       EXISTS (SELECT FROM pg_catalog.pg_collation o
               WHERE o.oid = a.attcollation AND NOT o.collisdeterministic)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND c.relkind IN ('r', 'p', 'm', 'f', 'v') AND {user_schema}
ORDER BY a.attrelid, a.attnum";

// An invalid index promises nothing; WITHOUT OVERLAPS is unique only within a period. Rows are
// compared under an empty search path, where the `=` of an extension's type is not found, unless the
// type is taken for one of the server's own, like citext for text.
const UNIQUES: &str = "
SELECT i.indrelid, k.columns, i.indimmediate AND k.not_null
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
LATERAL (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY u.place) AS columns,
                pg_catalog.bool_and(a.attnotnull AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_constraint v
                    WHERE v.conrelid = a.attrelid AND v.contype = 'n'
                      AND v.conkey[1] = a.attnum AND NOT v.convalidated)) AS not_null,
                pg_catalog.bool_and(EXISTS (
                    SELECT FROM pg_catalog.pg_opclass o
                    JOIN pg_catalog.pg_amop m ON m.amopfamily = o.opcfamily AND m.amopstrategy = 3
                    JOIN pg_catalog.pg_operator e ON e.oid = m.amopopr
                    WHERE o.oid = i.indclass[(u.place - 1)::int]
                      AND (e.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace OR EXISTS (
                          SELECT FROM pg_catalog.pg_cast b
                          JOIN pg_catalog.pg_type t ON t.oid = b.casttarget
                          WHERE b.castsource = a.atttypid AND b.castmethod = 'b'
                            AND b.castcontext = 'i'
                            AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace))))
                AS comparable
         FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY u (attnum, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
         WHERE u.place <= i.indnkeyatts) k
WHERE i.indisunique AND i.indisvalid AND NOT i.indisexclusion
  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.comparable AND {user_schema}
ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, x.relname";

// Expressions come with plain column names, for there is one relation only.
const CONDITIONAL: &str = "
SELECT i.indrelid,
       (SELECT pg_catalog.array_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, false) ORDER BY k)
        FROM pg_catalog.generate_series(1, i.indnkeyatts::int) k),
       pg_catalog.pg_get_expr(i.indpred, i.indrelid)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND i.indisvalid AND NOT i.indisexclusion
  AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL) AND {user_schema}
ORDER BY i.indrelid, x.relname";

const PARENTS: &str = "
SELECT h.inhrelid, h.inhparent FROM pg_catalog.pg_inherits h
JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND {user_schema}
ORDER BY h.inhrelid, h.inhseqno";

// Those that partitions inherit are rows of their own: cascades act partition by partition.
const FOREIGN_KEYS: &str = "
SELECT k.conname::pg_catalog.text, k.conrelid, k.confrelid, k.confdeltype::pg_catalog.text, k.confupdtype::pg_catalog.text,
       (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY u.place)
        FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
       (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY u.place)
        FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum),
       k.oid, nullif(k.conparentid, 0), k.convalidated
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND {enforced} AND {user_schema}
ORDER BY k.conrelid, k.conname, k.confrelid";

const SCHEMAS: &str = "
SELECT n.oid, n.nspname::pg_catalog.text, current_user::pg_catalog.text FROM pg_catalog.pg_namespace n WHERE {user_schema}";

// Row types of tables, array types and the multiranges that come with ranges are left out.
const TYPES: &str = "
SELECT t.oid, n.nspname::pg_catalog.text, t.typname::pg_catalog.text, nullif(t.typbasetype, 0)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r') AND (c.relkind IS NULL OR c.relkind = 'c')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)
  AND {user_schema}";

/// Everything outside the system schemas and `pgbelay`.
///
/// Foreign keys that partitions inherit are included, one by one, since cascades act per
/// partition; those that aren't enforced are left out. `search_path` is the one that scripts will
/// run under (`current_schemas(false)`), read before it was emptied for this.
pub async fn world(client: &Client, search_path: Vec<String>) -> Result<World> {
    Box::pin(reaching(client, search_path, Reach::User)).await
}

/// As [`world`], the tables of `pgbelay` included.
pub async fn whole_world(client: &Client, search_path: Vec<String>) -> Result<World> {
    Box::pin(reaching(client, search_path, Reach::Everything)).await
}

/// The query for columns.
fn of_columns() -> String {
    let written = COLUMNS.replace("{written_by_cast}", value::WRITTEN_BY_CAST);
    let read = written.replace("{read_by_cast}", value::READ_BY_CAST);
    read.replace("{exact}", value::EXACT)
}

/// The columns of `tables`, in order.
pub async fn columns(client: &Client, tables: &[Oid]) -> Result<BTreeMap<Oid, Vec<Column>>> {
    let sql = of_columns().replace("ORDER BY", "AND a.attrelid = ANY ($1) ORDER BY");
    let sql = within(&sql, Reach::Everything);
    let rows = query::rows(client, "the columns", &sql, &[(&tables, Type::OID_ARRAY)]).await?;
    let mut columns: BTreeMap<Oid, Vec<Column>> = BTreeMap::new();
    for row in &rows {
        columns.entry(row.get(0)).or_default().push(column(row));
    }
    Ok(columns)
}

async fn reaching(client: &Client, search_path: Vec<String>, reach: Reach) -> Result<World> {
    let enforced = if query::server_version(client).await? >= 180_000 {
        "k.conenforced"
    } else {
        "true"
    };
    let foreign_keys = FOREIGN_KEYS.replace("{enforced}", enforced);
    let of_columns = of_columns();
    let (
        relations,
        parts,
        columns,
        uniques,
        conditional,
        parents,
        foreign_keys,
        schemas,
        types,
        views,
    ) = try_join!(
        read(client, reach, "the relations", RELATIONS),
        read(client, reach, "the indexes and sequences", PARTS),
        read(client, reach, "the columns", &of_columns),
        read(client, reach, "the unique indexes", UNIQUES),
        read(client, reach, "the unique indexes", CONDITIONAL),
        read(client, reach, "the inheritance", PARENTS),
        read(client, reach, "the foreign keys", &foreign_keys),
        read(client, reach, "the schemas", SCHEMAS),
        read(client, reach, "the types", TYPES),
        read(client, reach, "the views", VIEWS),
    )?;
    let mut relations: BTreeMap<Oid, Relation> =
        relations.iter().map(relation).map(|r| (r.oid, r)).collect();
    for row in &columns {
        if let Some(relation) = relations.get_mut(&row.get(0)) {
            relation.columns.push(column(row));
        }
    }
    for row in &uniques {
        if let Some(relation) = relations.get_mut(&row.get(0)) {
            let columns: Vec<String> = row.get(1);
            if row.get(2) {
                relation.keys.push(columns.clone());
            }
            relation.uniques.push(columns);
        }
    }
    for row in &conditional {
        if let Some(relation) = relations.get_mut(&row.get(0)) {
            relation.conditional.push(ConditionalUnique {
                expressions: row.get(1),
                predicate: row.get(2),
            });
        }
    }
    for row in &parents {
        if let Some(relation) = relations.get_mut(&row.get(0)) {
            relation.parents.push(row.get(1));
        }
    }
    let domain = |row: &Row| Some((row.get(0), row.get::<_, Option<Oid>>(3)?));
    Ok(World {
        relations,
        parts: parts.iter().map(part).collect(),
        views: views.iter().map(|r| (r.get(0), beneath(r))).collect(),
        foreign_keys: foreign_keys.iter().map(foreign_key).collect(),
        schemas: schemas.iter().map(|r| (r.get(1), r.get(0))).collect(),
        types: types.iter().map(|r| (table_name(r, 1), r.get(0))).collect(),
        domains: types.iter().filter_map(domain).collect(),
        search_path,
        role: schemas.first().map(|row| row.get(2)).unwrap_or_default(),
    })
}

async fn read(client: &Client, reach: Reach, what: &str, sql: &str) -> Result<Vec<Row>> {
    query::rows(client, what, &within(sql, reach), &[]).await
}

fn relation(row: &Row) -> Relation {
    Relation {
        oid: row.get(0),
        name: table_name(row, 1),
        kind: match row.get(3) {
            "p" => RelationKind::Partitioned,
            "m" => RelationKind::Matview,
            "f" => RelationKind::Foreign,
            "v" => RelationKind::View,
            _ => RelationKind::Table,
        },
        columns: Vec::new(),
        keys: Vec::new(),
        uniques: Vec::new(),
        conditional: Vec::new(),
        parents: Vec::new(),
        triggers: row.get(5),
        estimated_rows: row.get(4),
        extension: row.get(6),
        default_partition: row.get(7),
        of_type: row.get(8),
    }
}

fn part(row: &Row) -> (Oid, Part) {
    let part = Part {
        name: table_name(row, 1),
        index: row.get(3),
        table: row.get(4),
        constraint: row.get(5),
    };
    (row.get(0), part)
}

fn beneath(row: &Row) -> Beneath {
    let (mine, its): (Vec<String>, Vec<String>) = (row.get(2), row.get(3));
    Beneath {
        relation: row.get(1),
        columns: mine.into_iter().zip(its).collect(),
    }
}

fn column(row: &Row) -> Column {
    Column {
        number: row.get(1),
        name: row.get(2),
        type_name: row.get(3),
        type_oid: row.get(7),
        blanks: row.get(8),
        written_by_cast: row.get(9),
        read_by_cast: row.get(10),
        coarse: row.get::<_, bool>(11) || row.get(12),
        collated: row.get(12),
        not_null: row.get(4),
        generated: row.get(5),
        identity: row.get(6),
    }
}

fn foreign_key(row: &Row) -> ForeignKey {
    ForeignKey {
        oid: row.get(7),
        part_of: row.get(8),
        name: row.get(0),
        from: row.get(1),
        to: row.get(2),
        on_delete: letter(row, 3),
        on_update: letter(row, 4),
        from_columns: row.get(5),
        to_columns: row.get(6),
        validated: row.get(9),
    }
}

fn letter(row: &Row, index: usize) -> char {
    row.get::<_, &str>(index).chars().next().unwrap_or(' ')
}

/// The schema and the name in two columns from `index` on.
fn table_name(row: &Row, index: usize) -> TableName {
    TableName::new(row.get::<_, String>(index), row.get::<_, String>(index + 1))
}
