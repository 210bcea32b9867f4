//! Folders and ledgers of other tools: read in place, taken over, kept in step.
//!
//! Each fixture is the same three migrations, as the tool would have them, and the ledger that the
//! tool would have left after two of them.

use crate::harness::Sandbox;
use crate::harness::state::assert_same_content;

struct Fixture {
    files: &'static [(&'static str, &'static str)],
    /// The tool's table, with what it holds after two migrations.
    ledger: &'static str,
    /// The versions in it, after two and after three migrations.
    versions: &'static str,
    two: &'static str,
    three: &'static str,
    /// What `rollback to` is told to keep.
    keep: &'static str,
    tool: &'static str,
}

const ONE: &str = "create table t (id int primary key, note text);";
const TWO: &str = "alter table t add more text;";

/// Begins where the tool stopped.
fn prepared(fixture: &Fixture) -> Sandbox {
    let sandbox = Sandbox::new();
    for (file, text) in fixture.files {
        sandbox.write(&format!("migrations/{file}"), text);
    }
    sandbox.sql(&format!("{ONE} {TWO} {}", fixture.ledger));
    sandbox.sql("insert into t values (1, 'one', 'a'), (2, 'two', null)");
    sandbox
}

fn both_ways(fixture: &Fixture) {
    let sandbox = prepared(fixture);
    let name = sandbox.database.clone();
    let versions = || sandbox.query_text(fixture.versions);
    assert_eq!(versions(), fixture.two);
    let migrate = |args: &[&str]| sandbox.run("migrate", args);
    migrate(&["adopt", "--beside"])
        .assert_exit(3)
        .assert_says("--yes");
    let adopted = migrate(&["adopt", "--beside", "--yes", "--json"]);
    adopted.assert_exit(0);
    assert_eq!(adopted.last()["tool"], fixture.tool);
    assert_eq!(
        adopted.last()["applied"].as_array().unwrap().len(),
        2,
        "{adopted}"
    );
    assert_eq!(adopted.last()["edited"], serde_json::json!([]), "{adopted}");
    migrate(&["adopt", "--beside"])
        .assert_exit(0)
        .assert_says("nothing to do");

    // Forward: the other tool is told.
    migrate(&["upgrade"]).assert_exit(0);
    assert_eq!(versions(), fixture.three);
    sandbox.sql("update t set last = id * 10");
    let (content, catalog) = (sandbox.content(), sandbox.catalog());
    // Back, and its ledger with it; and again as it was, to the instant.
    sandbox
        .run("rollback", &["to", fixture.keep, "--confirm", &name])
        .assert_exit(0);
    assert_eq!(versions(), fixture.two);
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    assert_same_content(&content, &sandbox.content());
    catalog.assert_same_but_for_order(&sandbox.catalog());

    // Before what was adopted there is no fingerprint to compare with: that has to be accepted.
    let back = ["to", "base", "--confirm", &name];
    sandbox
        .run("rollback", &back)
        .assert_exit(3)
        .assert_says("--accept-drift");
    let back = ["to", "base", "--accept-drift", "--confirm", &name];
    sandbox.run("rollback", &back).assert_exit(0);
    assert_eq!(sandbox.query_text("select to_regclass('t')"), "");
    let undo = ["undo", "--yes"];
    sandbox.run("rollback", &undo).assert_exit(0);
    assert_same_content(&content, &sandbox.content());

    // The other tool was used: that is seen, and adopted.
    sandbox
        .run("rollback", &["to", fixture.keep, "--confirm", &name])
        .assert_exit(0);
    migrate(&["stamp", "base", "--yes"])
        .assert_exit(3)
        .assert_says(fixture.tool);
    sandbox.sql(&forget(fixture));
    migrate(&["upgrade"])
        .assert_exit(3)
        .assert_says("migrate adopt --beside");
    sandbox
        .run("rollback", &back)
        .assert_exit(3)
        .assert_says("was used since");
    let taken = migrate(&["adopt", "--yes", "--json"]);
    taken.assert_exit(0);
    assert_eq!(
        taken.last()["not_applied"].as_array().unwrap().len(),
        2,
        "{taken}"
    );
    assert_eq!(migrate(&["current"]).stdout, "base\n");
}

/// The tool takes everything back.
fn forget(fixture: &Fixture) -> String {
    let table = fixture.versions.split(" from ").nth(1).unwrap();
    let table = table.split(' ').next().unwrap();
    format!("delete from {table}")
}

const UP: &str = "alter table t add last int;\n";
const DOWN: &str = "alter table t drop last;\n";

#[test]
fn golang_migrate() {
    both_ways(&Fixture {
        tool: "golang-migrate",
        files: &[
            ("000001_init.up.sql", ONE),
            ("000001_init.down.sql", "drop table t;"),
            ("000002_more.up.sql", TWO),
            ("000002_more.down.sql", "alter table t drop more;"),
            ("000003_last.up.sql", UP),
            ("000003_last.down.sql", DOWN),
        ],
        ledger:
            "create table schema_migrations (version bigint primary key, dirty boolean not null);
                 insert into schema_migrations values (2, false)",
        versions: "select version, dirty from schema_migrations",
        two: "2|f",
        three: "3|f",
        keep: "000002",
    });
}

#[test]
fn sqlx() {
    both_ways(&Fixture {
        tool: "sqlx",
        files: &[
            ("20260101000000_init.up.sql", ONE),
            ("20260101000000_init.down.sql", "drop table t;"),
            ("20260102000000_more.up.sql", TWO),
            ("20260102000000_more.down.sql", "alter table t drop more;"),
            ("20260103000000_last.up.sql", "-- no-transaction\nalter table t add last int;\n"),
            ("20260103000000_last.down.sql", DOWN),
        ],
        ledger: "create table _sqlx_migrations (version bigint primary key, description text not null,
                   installed_on timestamptz not null default now(), success boolean not null,
                   checksum bytea not null, execution_time bigint not null);
                 insert into _sqlx_migrations values
                   (20260101000000, 'init', '2026-01-05 00:00:00Z', true, sha384('create table t (id int primary key, note text);'), 5),
                   (20260102000000, 'more', '2026-01-05 00:00:01Z', true, sha384('alter table t add more text;'), 5)",
        versions: "select version, description, success, length(checksum) from _sqlx_migrations order by 1",
        two: "20260101000000|init|t|48\n20260102000000|more|t|48",
        three: "20260101000000|init|t|48\n20260102000000|more|t|48\n20260103000000|last|t|48",
        keep: "20260102000000",
    });
}

#[test]
fn diesel() {
    both_ways(&Fixture {
        tool: "diesel",
        files: &[
            ("2026-01-01-000000_init/up.sql", ONE),
            ("2026-01-01-000000_init/down.sql", "drop table t;"),
            ("2026-01-02-000000_more/up.sql", TWO),
            ("2026-01-02-000000_more/down.sql", "alter table t drop more;"),
            ("2026-01-03-000000_last/up.sql", UP),
            ("2026-01-03-000000_last/down.sql", DOWN),
            ("2026-01-03-000000_last/metadata.toml", "run_in_transaction = false\n"),
        ],
        ledger: "create table __diesel_schema_migrations (version varchar(50) primary key,
                   run_on timestamp not null default current_timestamp);
                 insert into __diesel_schema_migrations (version) values ('20260101000000'), ('20260102000000')",
        versions: "select version from __diesel_schema_migrations order by 1",
        two: "20260101000000\n20260102000000",
        three: "20260101000000\n20260102000000\n20260103000000",
        keep: "20260102000000",
    });
}

#[test]
fn dbmate() {
    both_ways(&Fixture {
        tool: "dbmate",
        files: &[
            (
                "20260101000000_init.sql",
                "-- migrate:up\ncreate table t (id int primary key, note text);\n\n-- migrate:down\ndrop table t;\n",
            ),
            (
                "20260102000000_more.sql",
                "-- migrate:up\nalter table t add more text;\n-- migrate:down\nalter table t drop more;\n",
            ),
            (
                "20260103000000_last.sql",
                "-- migrate:up transaction:false\nalter table t add last int;\n-- migrate:down\nalter table t drop last;\n",
            ),
        ],
        ledger: "create table schema_migrations (version varchar(128) primary key);
                 insert into schema_migrations values ('20260101000000'), ('20260102000000')",
        versions: "select version from schema_migrations order by 1",
        two: "20260101000000\n20260102000000",
        three: "20260101000000\n20260102000000\n20260103000000",
        keep: "20260102000000",
    });
}

#[test]
fn goose() {
    both_ways(&Fixture {
        tool: "goose",
        files: &[
            (
                "00001_init.sql",
                "-- +goose Up\ncreate table t (id int primary key, note text);\n-- +goose Down\ndrop table t;\n",
            ),
            (
                "00002_more.sql",
                "-- +goose Up\n-- +goose StatementBegin\nalter table t add more text;\n-- +goose StatementEnd\n-- +goose Down\nalter table t drop more;\n",
            ),
            (
                "00003_last.sql",
                "-- +goose NO TRANSACTION\n-- +goose Up\nalter table t add last int;\n-- +goose Down\nalter table t drop last;\n",
            ),
        ],
        ledger: "create table goose_db_version (id integer primary key generated by default as identity,
                   version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now());
                 insert into goose_db_version (version_id, is_applied) values (0, true), (1, true), (2, true)",
        versions: "select version_id from goose_db_version where is_applied and version_id > 0 order by 1",
        two: "1\n2",
        three: "1\n2\n3",
        keep: "00002",
    });
}

#[test]
fn flyway() {
    both_ways(&Fixture {
        tool: "flyway",
        files: &[
            ("V1__init.sql", ONE),
            ("U1__init.sql", "drop table t;"),
            ("V1.1__Add_more.sql", TWO),
            ("U1.1__Add_more.sql", "alter table t drop more;"),
            ("late/V1.10__last.sql", UP),
            ("late/V1.10__last.sql.conf", "executeInTransaction=false\n"),
            ("late/U1.10__last.sql", DOWN),
        ],
        ledger: "create table flyway_schema_history (installed_rank integer primary key, version varchar(50),
                   description varchar(200) not null, type varchar(20) not null, script varchar(1000) not null,
                   checksum integer, installed_by varchar(100) not null, installed_on timestamp not null default now(),
                   execution_time integer not null, success boolean not null);
                 insert into flyway_schema_history values
                   (1, '1', 'init', 'SQL', 'V1__init.sql', null, 'x', now(), 5, true),
                   (2, '1.1', 'Add more', 'SQL', 'V1.1__Add_more.sql', null, 'x', now(), 5, true)",
        versions: "select version, description, script, success from flyway_schema_history order by installed_rank",
        two: "1|init|V1__init.sql|t\n1.1|Add more|V1.1__Add_more.sql|t",
        three: "1|init|V1__init.sql|t\n1.1|Add more|V1.1__Add_more.sql|t\n1.10|last|V1.10__last.sql|t",
        keep: "1.1",
    });
}

#[test]
fn tern() {
    both_ways(&Fixture {
        tool: "tern",
        files: &[
            (
                "001_init.sql",
                "create table t (id int primary key, note text);\n---- create above / drop below ----\ndrop table t;\n",
            ),
            (
                "002_more.sql",
                "alter table t add more text;\n---- create above / drop below ----\nalter table t drop more;\n",
            ),
            (
                "003_last.sql",
                "---- tern: disable-tx ----\nalter table t add last int;\n---- create above / drop below ----\nalter table t drop last;\n",
            ),
        ],
        ledger: "create table public.schema_version (version int4 not null);
                 insert into schema_version values (2)",
        versions: "select version from schema_version",
        two: "2",
        three: "3",
        keep: "002",
    });
}

#[test]
fn alembic() {
    both_ways(&Fixture {
        tool: "alembic",
        files: &[
            (
                "upgrade.sql",
                "BEGIN;\n\nCREATE TABLE alembic_version (\n    version_num VARCHAR(32) NOT NULL\n);\n\n\
                 -- Running upgrade  -> 1975ea83b712\n\ncreate table t (id int primary key, note text);\n\n\
                 INSERT INTO alembic_version (version_num) VALUES ('1975ea83b712');\n\n\
                 -- Running upgrade 1975ea83b712 -> ae1027a6acf5\n\nalter table t add more text;\n\n\
                 UPDATE alembic_version SET version_num='ae1027a6acf5' WHERE alembic_version.version_num = '1975ea83b712';\n\n\
                 -- Running upgrade ae1027a6acf5 -> 27c6a30d7c24\n\nalter table t add last int;\n\n\
                 UPDATE alembic_version SET version_num='27c6a30d7c24' WHERE alembic_version.version_num = 'ae1027a6acf5';\n\n\
                 COMMIT;\n",
            ),
            (
                "downgrade.sql",
                "BEGIN;\n\n-- Running downgrade 27c6a30d7c24 -> ae1027a6acf5\n\nalter table t drop last;\n\n\
                 UPDATE alembic_version SET version_num='ae1027a6acf5' WHERE alembic_version.version_num = '27c6a30d7c24';\n\n\
                 -- Running downgrade ae1027a6acf5 -> 1975ea83b712\n\nalter table t drop more;\n\n\
                 -- Running downgrade 1975ea83b712 -> \n\ndrop table t;\n\n\
                 DELETE FROM alembic_version WHERE alembic_version.version_num = '1975ea83b712';\n\nCOMMIT;\n",
            ),
        ],
        ledger: "create table alembic_version (version_num varchar(32) not null primary key);
                 insert into alembic_version values ('ae1027a6acf5')",
        versions: "select version_num from alembic_version",
        two: "ae1027a6acf5",
        three: "27c6a30d7c24",
        keep: "0002",
    });
}

#[test]
fn what_only_the_tool_itself_can_do_is_refused() {
    let refused = |files: &[(&str, &str)], sql: &str, args: &[&str], code: i32, says: &str| {
        let sandbox = Sandbox::bare();
        for (file, text) in files {
            sandbox.write(&format!("migrations/{file}"), text);
        }
        sandbox.sql(sql);
        sandbox
            .run("migrate", args)
            .assert_exit(code)
            .assert_says(says);
    };
    let goose = "-- +goose Up\nselect 1;\n";
    let upgrade = &["upgrade"] as &[&str];
    refused(
        &[("1_a.sql", goose), ("2_b.go", "package x")],
        "",
        upgrade,
        2,
        "written in Go",
    );
    let dbmate = "-- migrate:up\nselect 1;\n";
    refused(
        &[("1_a.sql", goose), ("2_b.sql", dbmate)],
        "",
        upgrade,
        2,
        "--layout",
    );
    refused(
        &[("V1__a.sql", "select ${x}")],
        "",
        upgrade,
        2,
        "placeholders",
    );
    let pair = &[("1_a.up.sql", "select 1"), ("1_a.down.sql", "select 1")];
    let golang = "create table schema_migrations (version bigint, dirty boolean)";
    let adopt = &["adopt", "--yes"] as &[&str];
    refused(pair, "", adopt, 2, "no ledger of another tool");
    let dirty = format!("{golang}; insert into schema_migrations values (1, true)");
    refused(pair, &dirty, adopt, 3, "failed half-way");
    let unknown = format!("{golang}; insert into schema_migrations values (7, false)");
    refused(pair, &unknown, adopt, 3, "no file here: 7");
    let several = format!("{golang}; create table alembic_version (version_num text)");
    refused(pair, &several, adopt, 2, "--table");
}
