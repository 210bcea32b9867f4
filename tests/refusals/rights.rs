use crate::harness::Sandbox;
use crate::harness::binary::Output;
use crate::scenes::{State, assert_refused, shop};

/// Runs `rollback` as another role.
fn rollback_as(sandbox: &Sandbox, role: &str, args: &[&str]) -> Output {
    let url = sandbox.url_as(role);
    sandbox
        .tool("rollback")
        .args(args)
        .env("DATABASE_URL", url)
        .run()
}

fn to_as(sandbox: &Sandbox, role: &str) -> Output {
    rollback_as(
        sandbox,
        role,
        &["to", "0001", "--confirm", &sandbox.database],
    )
}

/// Makes a role that goes with the database.
fn role(sandbox: &Sandbox, name: &str, rights: &str) -> String {
    let role = format!("{name}_{}", sandbox.database);
    sandbox.sql(&format!(
        "create role {role} login; {}",
        rights.replace("ROLE", &role)
    ));
    role
}

fn forget(sandbox: &Sandbox, role: &str) {
    sandbox.sql(&format!(
        "reassign owned by {role} to postgres; drop owned by {role}; drop role {role}"
    ));
}

const OURS: &str = "grant usage on schema pgbelay to ROLE;
    grant select, insert, update, delete on all tables in schema pgbelay to ROLE;";

#[test]
fn a_role_that_may_not_read_what_it_would_destroy() {
    let sandbox = shop();
    let role = role(&sandbox, "blind", OURS);
    let before = State::of(&sandbox);
    let output = to_as(&sandbox, &role);
    assert!(matches!(output.code, Some(1 | 3)), "{output}");
    assert_refused(&output, output.code.unwrap(), &["permission denied"]);
    before.assert_untouched(&sandbox);
    forget(&sandbox, &role);
}

#[test]
fn a_role_that_does_not_own_the_tables() {
    let sandbox = shop();
    let rights = format!("{OURS} grant select on all tables in schema public to ROLE");
    let role = role(&sandbox, "guest", &rights);
    let before = State::of(&sandbox);
    let output = to_as(&sandbox, &role);
    assert!(matches!(output.code, Some(1 | 3)), "{output}");
    assert_refused(&output, output.code.unwrap(), &["nothing was changed"]);
    before.assert_untouched(&sandbox);
    forget(&sandbox, &role);
}

#[test]
fn a_role_that_may_not_make_our_schema() {
    let sandbox = Sandbox::new();
    crate::scenes::write_migrations(&sandbox);
    let role = role(&sandbox, "outsider", "");
    let url = sandbox.url_as(&role);
    let before = State::of(&sandbox);
    let output = sandbox
        .tool("migrate")
        .args(&["upgrade"])
        .env("DATABASE_URL", url)
        .run();
    assert_refused(&output, 1, &["needs CREATE on the database"]);
    before.assert_untouched(&sandbox);
    forget(&sandbox, &role);
}

/// Rows that a policy hides would be missing from the snapshot without anybody noticing.
#[test]
fn rows_that_a_policy_hides_are_never_left_out_silently() {
    let sandbox = shop();
    let owner = role(&sandbox, "owner", OURS);
    sandbox.sql(&format!(
        "grant create on database {database} to {owner};
         alter schema pgbelay owner to {owner};
         alter table coupons owner to {owner}; alter table customers owner to {owner};
         alter table orders owner to {owner};
         create policy own on coupons using (customer < 5);
         alter table coupons enable row level security;
         alter table coupons force row level security",
        database = sandbox.database
    ));
    let before = State::of(&sandbox);
    let output = to_as(&sandbox, &owner);
    assert!(matches!(output.code, Some(1 | 3)), "{output}");
    assert_refused(&output, output.code.unwrap(), &["row-level security"]);
    before.assert_untouched(&sandbox);
    forget(&sandbox, &owner);
}
