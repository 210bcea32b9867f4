//! Large objects: rows may name them by number, and no table holds them.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::error::PgContext as _;
use crate::pg::query;
use crate::sql::quote;

/// Their content is read in pieces of this size.
const PIECE: i32 = 256 * 1024;

/// The first pieces of so many are read at once.
const BATCH: usize = 16;

const ALL: &str = "
SELECT m.oid, r.rolname::text, d.description,
       coalesce((SELECT pg_catalog.array_agg(pg_catalog.concat_ws(' ', CASE WHEN a.grantee = 0
                    THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END,
                    a.privilege_type, CASE WHEN a.is_grantable THEN 'g' END))
                 FROM pg_catalog.aclexplode(m.lomacl) a
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee), '{}')::text[],
       m.lomacl IS NOT NULL
FROM pg_catalog.pg_largeobject_metadata m
JOIN pg_catalog.pg_roles r ON r.oid = m.lomowner
LEFT JOIN pg_catalog.pg_description d ON d.objoid = m.oid AND d.objsubid = 0
     AND d.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass
ORDER BY m.oid";

/// What makes one large object, apart from its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeObject {
    /// Its number.
    pub oid: Oid,
    /// The statements that make it, empty, with owner, privileges and comment; one line each.
    pub make: Vec<String>,
}

/// All of them.
pub async fn all(client: &Client) -> Result<Vec<LargeObject>> {
    let rows = query::rows(client, "the large objects", ALL, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let oid: Oid = row.get(0);
            let (owner, comment): (String, Option<String>) = (row.get(1), row.get(2));
            let (grants, own): (Vec<String>, bool) = (row.get(3), row.get(4));
            let mut make = vec![
                format!("SELECT pg_catalog.lo_create({oid});"),
                format!(
                    "ALTER LARGE OBJECT {oid} OWNER TO {};",
                    quote::ident(&owner)
                ),
            ];
            if own {
                let all = format!("ON LARGE OBJECT {oid} FROM");
                make.push(format!(
                    "REVOKE ALL {all} PUBLIC, {};",
                    quote::ident(&owner)
                ));
                make.extend(grants.iter().filter_map(|g| grant(oid, g)));
            }
            if let Some(comment) = comment {
                let comment = one_line(&comment);
                make.push(format!("COMMENT ON LARGE OBJECT {oid} IS {comment};"));
            }
            LargeObject { oid, make }
        })
        .collect())
}

/// Removes all of them: what is left of an attempt to make them.
pub async fn remove_all(client: &Client) -> Result<()> {
    // A transaction for each thousand: every one that goes holds a lock until its end.
    let sql = "SELECT pg_catalog.count(pg_catalog.lo_unlink(oid)) \
               FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata LIMIT 1000) AS some";
    loop {
        let row = client.query_one(sql, &[]).await;
        let removed: i64 = row.pg("could not remove large objects")?.get(0);
        if removed == 0 {
            return Ok(());
        }
    }
}

/// `"role" SELECT g` as a statement. The privilege is the last word but for the mark.
fn grant(oid: Oid, text: &str) -> Option<String> {
    let (text, option) = match text.strip_suffix(" g") {
        Some(text) => (text, " WITH GRANT OPTION"),
        None => (text, ""),
    };
    let (role, privilege) = text.rsplit_once(' ')?;
    let role = if role == "PUBLIC" || role.starts_with('"') {
        role.to_owned()
    } else {
        quote::ident(role)
    };
    Some(format!(
        "GRANT {privilege} ON LARGE OBJECT {oid} TO {role}{option};"
    ))
}

/// `text` as a literal without a line end in it.
fn one_line(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '\'' => "\'\'".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("E'{escaped}'")
}

/// A piece of a large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Which.
    pub oid: Oid,
    /// Where in it.
    pub offset: i64,
    /// What stands there.
    pub bytes: &'a [u8],
}

impl Piece<'_> {
    /// Oid, offset and content in hexadecimal, for a hash and for a statement.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(self.bytes.len() * 2);
        for byte in self.bytes {
            for half in [byte >> 4, byte & 15] {
                hex.push(char::from_digit(half.into(), 16).unwrap_or('0'));
            }
        }
        hex
    }

    /// The statement that writes it.
    pub fn statement(&self) -> String {
        let Self { oid, offset, .. } = self;
        let hex = self.hex();
        format!("SELECT pg_catalog.lo_put({oid}, {offset}, '\\x{hex}');")
    }
}

/// Reads the content of `objects`, in order, and gives every piece to `sink`. Empty ones have one
/// piece without bytes.
pub async fn read(
    client: &Client,
    objects: &[Oid],
    sink: &mut (dyn FnMut(Piece<'_>) -> Result<()> + Send),
) -> Result<()> {
    let first = format!(
        "SELECT pg_catalog.lo_get(u.oid, 0, {PIECE}) \
         FROM pg_catalog.unnest($1) WITH ORDINALITY u (oid, place) ORDER BY u.place"
    );
    let next = format!("SELECT pg_catalog.lo_get($1, $2, {PIECE})");
    for batch in objects.chunks(BATCH) {
        let batch = batch.to_vec();
        let rows = client
            .query_typed(&first, &[(&batch, Type::OID_ARRAY)])
            .await;
        let rows = rows.pg("could not read large objects")?;
        for (oid, row) in batch.iter().zip(&rows) {
            let mut offset = 0;
            let bytes: &[u8] = row.get(0);
            sink(Piece {
                oid: *oid,
                offset,
                bytes,
            })?;
            let mut full = bytes.len() == PIECE as usize;
            while full {
                offset += i64::from(PIECE);
                let of = [
                    (oid as &(dyn tokio_postgres::types::ToSql + Sync), Type::OID),
                    (&offset, Type::INT8),
                ];
                let rows = client.query_typed(&next, &of).await;
                let rows = rows.pg(format!("could not read large object {oid}"))?;
                let bytes: &[u8] = rows.first().map_or(&[], |row| row.get(0));
                if !bytes.is_empty() {
                    sink(Piece {
                        oid: *oid,
                        offset,
                        bytes,
                    })?;
                }
                full = bytes.len() == PIECE as usize;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_one_line_each() {
        assert_eq!(one_line("it's\n\\"), "E'it''s\\n\\\\'");
        let check = |text, expected: &str| {
            assert_eq!(grant(7, text).as_deref(), Some(expected));
        };
        check("PUBLIC SELECT", "GRANT SELECT ON LARGE OBJECT 7 TO PUBLIC;");
        check(
            "\"a g\" UPDATE g",
            "GRANT UPDATE ON LARGE OBJECT 7 TO \"a g\" WITH GRANT OPTION;",
        );
        check("bob SELECT", "GRANT SELECT ON LARGE OBJECT 7 TO \"bob\";");
        let piece = Piece {
            oid: 7,
            offset: 0,
            bytes: &[0, 255],
        };
        assert_eq!(
            piece.statement(),
            "SELECT pg_catalog.lo_put(7, 0, '\\x00ff');"
        );
    }
}
