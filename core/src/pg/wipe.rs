//! Emptying a database, but for the journal.

use tokio_postgres::Client;

use crate::error::Result;

use super::error::PgContext as _;

/// Drops every schema with all that is in it, and large objects. `public` comes back empty, with
/// its owner and its privileges; ours stays, with an empty ledger.
const WIPE: &str = r"
DO $$
DECLARE
    s record;
    g record;
BEGIN
    FOR s IN SELECT nspname, nspowner, nspacl FROM pg_catalog.pg_namespace
             WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgbelay')
    LOOP
        EXECUTE pg_catalog.format('DROP SCHEMA %I CASCADE', s.nspname);
        CONTINUE WHEN s.nspname <> 'public';
        CREATE SCHEMA public;
        EXECUTE pg_catalog.format('ALTER SCHEMA public OWNER TO %I',
                                  pg_catalog.pg_get_userbyid(s.nspowner));
        FOR g IN SELECT privilege_type, CASE WHEN grantee = 0 THEN 'PUBLIC'
                     ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END AS who
                 FROM pg_catalog.aclexplode(s.nspacl)
        LOOP
            EXECUTE pg_catalog.format('GRANT %s ON SCHEMA public TO %s', g.privilege_type, g.who);
        END LOOP;
    END LOOP;
    PERFORM pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata;
    DELETE FROM pgbelay.ledger;
    DELETE FROM pgbelay.progress;
    IF pg_catalog.to_regclass('pgbelay.seeds') IS NOT NULL THEN
        DELETE FROM pgbelay.seeds;
    END IF;
    IF pg_catalog.to_regclass('pgbelay.beside') IS NOT NULL THEN
        DELETE FROM pgbelay.beside;
        DELETE FROM pgbelay.beside_rows;
    END IF;
END
$$";

/// Drops everything, in the transaction that `client` has open.
pub async fn everything(client: &Client) -> Result<()> {
    client
        .batch_execute(WIPE)
        .await
        .pg("could not drop everything")
}
