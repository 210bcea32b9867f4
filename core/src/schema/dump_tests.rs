use super::*;

const DUMP: &str = r#"--
-- PostgreSQL database dump
--

\restrict abc

SET standard_conforming_strings = on;

--
-- Name: f(); Type: FUNCTION; Schema: app; Owner: me
--

CREATE FUNCTION app.f() RETURNS void LANGUAGE plpgsql AS $_$
--
-- Name: trap; Type: TABLE; Schema: app; Owner: me
--
\restrict not ours
begin perform 'it''s $1' || E'\''; end $_$;


ALTER FUNCTION app.f() OWNER TO me;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: T "x; Type: TABLE; Schema: We ird; Owner: me
--

CREATE TABLE "We ird"."T ""x" (
    a text DEFAULT E'\\''
--
-- Name: trap; Type: TABLE; Schema: app; Owner: me
--
'::text
);


SET default_tablespace = fast;

--
-- Name: i; Type: INDEX; Schema: app; Owner: me; Tablespace: fast
--

CREATE INDEX i ON app.t USING btree (a$b$c);


SET default_tablespace = '';

--
-- Name: EXTENSION citext; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION citext IS 'x
--
-- Name: trap; Type: TABLE; Schema: app; Owner: me
--';


--
-- Name: t t_pkey; Type: CONSTRAINT; Schema: app; Owner: me
--

ALTER TABLE ONLY app.t
    ADD CONSTRAINT t_pkey PRIMARY KEY (a);


--
-- PostgreSQL database dump complete
--

\unrestrict abc
"#;

#[test]
fn headers_inside_quotes_are_not_headers() {
    let entries = dump_entries(DUMP);
    let seen: Vec<(&str, &str, &str)> = entries
        .iter()
        .map(|e| (e.kind.as_str(), e.schema.as_str(), e.name.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("FUNCTION", "app", "f()"),
            ("TABLE", "We ird", "T \"x"),
            ("INDEX", "app", "i"),
            ("COMMENT", "", "EXTENSION citext"),
            ("CONSTRAINT", "app", "t t_pkey"),
        ]
    );
    assert!(entries[0].sql.contains("\\restrict not ours"));
    assert!(entries[0].sql.ends_with("OWNER TO me;"));
    assert!(entries[4].sql.ends_with("PRIMARY KEY (a);"));
}

#[test]
fn a_tablespace_goes_with_the_entries_it_is_for() {
    let entries = dump_entries(DUMP);
    assert!(entries[1].sql.starts_with("CREATE TABLE"));
    assert_eq!(
        entries[2].sql,
        "SET LOCAL default_tablespace = fast;\nCREATE INDEX i ON app.t USING btree (a$b$c);"
    );
    assert!(
        entries[4]
            .sql
            .starts_with("SET LOCAL default_tablespace = '';\n")
    );
}

#[test]
fn old_strings_are_followed_too() {
    let dump = "SET standard_conforming_strings = off;\n\n--\n-- Name: a; Type: COMMENT; Schema: -; \
                Owner: x\n--\n\nCOMMENT ON SCHEMA a IS 'it\\'s';\n\n--\n-- Name: b; Type: SCHEMA; \
                Schema: -; Owner: x\n--\n\nCREATE SCHEMA b;\n";
    assert_eq!(dump_entries(dump).len(), 2);
}
