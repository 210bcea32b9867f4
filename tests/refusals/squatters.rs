//! Our own schema in the hands of others: nothing of theirs may run with our rights.

use crate::harness::Sandbox;
use crate::harness::binary::Output;

/// A sandbox at 0001 with a migration to apply, and a role without rights.
struct Scene {
    sandbox: Sandbox,
    squatter: String,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.migration("0001_init", "create table t (id int)", "drop table t");
        sandbox.run("migrate", &["upgrade"]).assert_exit(0);
        sandbox.migration("0002_more", "create table more ()", "drop table more");
        let squatter = format!("squatter_{}", sandbox.database);
        sandbox.sql(&format!(
            "create role {squatter} login;
             create schema den authorization {squatter};
             create function den.trap() returns trigger language plpgsql as $$
             begin execute 'alter role {squatter} superuser'; return new; end $$;
             create function den.snare(text) returns text language plpgsql as $$
             begin execute 'alter role {squatter} superuser'; return $1; end $$;
             alter function den.trap() owner to {squatter};
             alter function den.snare(text) owner to {squatter}"
        ));
        Self { sandbox, squatter }
    }

    /// What stands in every way of ours, by what is said of it.
    fn refuses(&self, says: &str) {
        let database = self.sandbox.database.clone();
        let all: [(&str, &[&str]); 5] = [
            ("migrate", &["upgrade"]),
            ("migrate", &["status"]),
            ("rollback", &["to", "base", "--confirm", &database]),
            ("rollback", &["validate", "base"]),
            ("rollback", &["undo", "--yes"]),
        ];
        for (tool, args) in all {
            let output: Output = self.sandbox.run(tool, args);
            output.assert_exit(3).assert_says(says);
            output.assert_says("nothing was run");
        }
        let superuser = format!(
            "select rolsuper from pg_roles where rolname = '{}'",
            self.squatter
        );
        assert_eq!(self.sandbox.query_text(&superuser), "f");
        assert_eq!(self.sandbox.query_text("select to_regclass('more')"), "");
    }

    /// `made` stands in the way, and no more once it is gone.
    fn stands_in_the_way(&self, made: &str, says: &str, gone: &str) {
        self.sandbox.sql(&made.replace("ROLE", &self.squatter));
        self.refuses(says);
        self.sandbox.sql(&gone.replace("ROLE", &self.squatter));
        self.sandbox.run("migrate", &["status"]).assert_exit(0);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let role = &self.squatter;
        self.sandbox
            .sql(&format!("drop owned by {role} cascade; drop role {role}"));
    }
}

#[test]
fn objects_of_others_are_not_used() {
    let scene = Scene::new();
    for (made, says, gone) in [
        (
            "alter schema pgbelay owner to ROLE",
            "schema pgbelay belongs to squatter_",
            "alter schema pgbelay owner to postgres",
        ),
        (
            "alter table pgbelay.ledger owner to ROLE",
            "table pgbelay.ledger belongs to squatter_",
            "alter table pgbelay.ledger owner to postgres",
        ),
        (
            "alter function pgbelay.refuse_change() owner to ROLE",
            "function pgbelay.refuse_change() belongs to squatter_",
            "alter function pgbelay.refuse_change() owner to postgres",
        ),
        (
            "create table pgbelay.mine (); alter table pgbelay.mine owner to ROLE",
            "table pgbelay.mine belongs to squatter_",
            "drop table pgbelay.mine",
        ),
    ] {
        scene.stands_in_the_way(made, says, gone);
    }
}

#[test]
fn code_of_others_does_not_hang_on_our_tables() {
    let scene = Scene::new();
    for (made, says, gone) in [
        (
            // As who was granted TRIGGER might.
            "grant usage on schema pgbelay to ROLE; grant trigger on pgbelay.ledger to ROLE;
             set role ROLE; create trigger trap before insert on pgbelay.ledger
             for each row execute function den.trap(); reset role",
            "there is a trigger trap on pgbelay.ledger",
            "drop trigger trap on pgbelay.ledger;
             revoke all on pgbelay.ledger from ROLE; revoke all on schema pgbelay from ROLE",
        ),
        (
            "create trigger append_only before insert on pgbelay.layout
             for each row execute function den.trap()",
            "there is a trigger append_only on pgbelay.layout",
            "drop trigger append_only on pgbelay.layout",
        ),
        (
            "create rule snare as on insert to pgbelay.journal do also select den.snare('x')",
            "there is a rule snare on pgbelay.journal",
            "drop rule snare on pgbelay.journal",
        ),
        (
            "create table den.child () inherits (pgbelay.ledger)",
            "den.child inherits from pgbelay.ledger",
            "drop table den.child",
        ),
        (
            "alter table pgbelay.ledger alter name set default den.snare('x')",
            "calls function den.snare(text)",
            "alter table pgbelay.ledger alter name drop default",
        ),
        (
            "alter table pgbelay.ledger add constraint odd check (den.snare(name) <> '')",
            "calls function den.snare(text)",
            "alter table pgbelay.ledger drop constraint odd",
        ),
        (
            "alter table pgbelay.ledger rename to kept;
             create view pgbelay.ledger as select * from pgbelay.kept",
            "pgbelay.ledger is no table",
            "drop view pgbelay.ledger; alter table pgbelay.kept rename to ledger",
        ),
    ] {
        // The constraint's own check of what is there would set the trap off.
        let harmless =
            "create or replace function den.snare(text) returns text language sql as 'select $1'";
        scene.sandbox.sql(harmless);
        scene.stands_in_the_way(made, says, gone);
    }
}

#[test]
fn a_schema_that_was_there_first_is_not_taken() {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_init", "create table t (id int)", "drop table t");
    let role = format!("early_{}", sandbox.database);
    sandbox.sql(&format!(
        "create role {role} login; create schema pgbelay authorization {role};
         grant all on schema pgbelay to public"
    ));
    let output = sandbox.run("migrate", &["upgrade"]);
    output
        .assert_exit(3)
        .assert_says("schema pgbelay belongs to early_");
    assert_eq!(sandbox.query_text("select to_regclass('t')"), "");
    // The database's owner is trusted, whoever runs.
    sandbox.sql(&format!(
        "alter database {} owner to {role}",
        sandbox.database
    ));
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&format!(
        "alter database {} owner to postgres; reassign owned by {role} to postgres;
         drop owned by {role}; drop role {role}",
        sandbox.database
    ));
}
