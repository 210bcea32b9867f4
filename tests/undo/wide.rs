//! Tables of many columns, and rows that take as much room as the server has for one: what is
//! recorded of a change holds them twice.

use super::case::Case;

/// A row that the server can just hold.
#[derive(Clone, Copy)]
struct Wide {
    columns: usize,
    type_name: &'static str,
    /// In every column.
    value: &'static str,
}

const KINDS: [Wide; 5] = [
    Wide {
        columns: 161,
        type_name: "text",
        value: "'this value stays here'",
    },
    Wide {
        columns: 300,
        type_name: "timestamp",
        value: "'2024-03-04 05:06:07.089123'",
    },
    Wide {
        columns: 600,
        type_name: "bigint",
        value: "1234567890",
    },
    Wide {
        columns: 1000,
        type_name: "int",
        value: "1234567890",
    },
    Wide {
        columns: 1590,
        type_name: "int",
        value: "-2000000000",
    },
];

/// `c1<with>, c2<with>, …`
fn some(numbers: impl Iterator<Item = usize>, with: &str) -> String {
    let each: Vec<String> = numbers.map(|n| format!("c{n}{with}")).collect();
    each.join(", ")
}

/// A long row, and one of many columns.
const TWO: [Wide; 2] = [KINDS[2], KINDS[4]];

/// The first of `kinds`; all of them with `PGBELAY_TEST_WIDE=all`.
fn tried<const N: usize>(kinds: [Wide; N]) -> Vec<Wide> {
    let all = std::env::var_os("PGBELAY_TEST_WIDE").is_some();
    kinds.into_iter().take(if all { N } else { 1 }).collect()
}

impl Wide {
    fn each(&self, with: &str) -> String {
        some(1..=self.columns, with)
    }

    fn definition(&self, key: &str) -> String {
        let columns = self.each(&format!(" {}", self.type_name));
        format!("create table t (id int{key}, {columns})")
    }

    fn rows(&self, rows: usize) -> String {
        format!(
            "insert into t (id) select generate_series(1, {rows}); update t set {};
             update t set c2 = null, c150 = null where id % 2 = 0",
            self.each(&format!(" = {}", self.value))
        )
    }

    /// Rolled back and undone by a migration whose way back is `down`.
    #[track_caller]
    fn case(&self, key: &str, up: &str, down: &str) -> Case {
        Case::new(&self.definition(key), &[(up, down)], &self.rows(5))
    }
}

const CHANGES: &str = "
    delete from t where id = 1;
    update t set c1 = null, c7 = c8, c161 = null where id = 2;
    update t set c1 = null where id = 3;
    insert into t select 6, c1 from t where id = 2;
    insert into t select 7; update t set c160 = c159 where id = 7;
    update t set id = 8, c3 = null where id = 5";

#[test]
fn rows_that_are_changed() {
    for kind in [KINDS[4]].into_iter().chain(tried(KINDS)) {
        kind.case(" primary key", "select 1", CHANGES).exact();
    }
}

#[test]
fn rows_that_are_changed_without_key() {
    for kind in tried(KINDS) {
        let down = format!("{CHANGES}; insert into t select * from t");
        kind.case("", "select 1", &down).exact();
    }
}

#[test]
fn rows_that_the_migration_changes_again() {
    for kind in tried(TWO) {
        let up = "update t set c4 = c5 where c4 is null; insert into t select 10; delete from t where id = 11";
        let down = "update t set c4 = null where id in (2, 10); delete from t where id = 10; insert into t select 11";
        kind.case(" primary key", up, down).exact();
    }
}

#[test]
fn a_table_that_is_emptied() {
    for kind in tried(TWO) {
        for key in [" primary key", ""] {
            let down = "truncate t; insert into t select 1; insert into t select 9";
            kind.case(key, "select 1", down).exact();
        }
    }
}

#[test]
fn a_table_that_is_dropped() {
    for kind in tried(TWO) {
        for key in [" primary key", ""] {
            let make = kind.definition(key);
            let case = Case::new("select 1", &[(&make, "drop table t")], &kind.rows(3));
            case.exact();
        }
    }
}

#[test]
fn columns_that_are_dropped() {
    for kind in tried([KINDS[2], KINDS[3]]) {
        for key in [" primary key", ""] {
            let make = some(1..=100, &format!(" {}", kind.type_name));
            let up = format!("alter table t add {}", make.replace(", ", ", add "));
            let down = format!(
                "alter table t drop {}",
                some(1..=100, "").replace(", ", ", drop ")
            );
            let rest = some(101..=kind.columns, &format!(" {}", kind.type_name));
            let base = format!("create table t (id int{key}, {rest})");
            let changed = format!("delete from t where id = 1; update t set c102 = null; {down}");
            let down = if key.is_empty() { down } else { changed };
            Case::new(&base, &[(&up, &down)], &kind.rows(3)).exact();
        }
    }
}

#[test]
fn columns_that_are_converted() {
    for kind in tried(TWO) {
        for key in [" primary key", ""] {
            let to = |type_name: &str| {
                // The server takes its time for each.
                let numbers = 2..=kind.columns.min(200) - 2;
                let each = numbers.map(|n| format!("alter c{n} type {type_name}"));
                format!("alter table t {}", each.collect::<Vec<_>>().join(", "))
            };
            let other = if kind.type_name == "int" {
                "real"
            } else {
                "double precision"
            };
            let (up, down) = (to(kind.type_name), to(other));
            let changed = format!("update t set c1 = null, c3 = 0 where id < 3; {down}");
            let down = if key.is_empty() { down } else { changed };
            let base = format!("{}; {}", kind.definition(key), to(other));
            Case::new(&base, &[(&up, &down)], &kind.rows(5)).exact();
        }
    }
}

#[test]
fn a_table_that_is_replaced_by_a_copy() {
    for kind in tried(TWO) {
        let down =
            "create table u (like t including all); insert into u select * from t where id > 1;
            update u set c2 = c3; drop table t; alter table u rename to t";
        kind.case(" primary key", "select 1", down).exact();
    }
}

#[test]
fn tables_that_lost_columns_before() {
    for kind in tried(TWO) {
        let base = kind.definition(" primary key");
        let base = format!("{base}; alter table t drop c64, drop c65, drop c100, drop c149");
        let rows = format!(
            "insert into t (id) select generate_series(1, 5); update t set {}",
            some(
                (150..=kind.columns).chain(1..=9),
                &format!(" = {}", kind.value)
            )
        );
        Case::new(&base, &[("select 1", CHANGES)], &rows).exact();
    }
}

#[test]
fn columns_that_come_and_go_between_changes() {
    for kind in tried([KINDS[0], KINDS[3]]) {
        let down = "delete from t where id = 1; alter table t add x text default 'x';
            update t set c1 = null where id = 2; alter table t drop x; update t set c2 = c3; ";
        kind.case(" primary key", "select 1", down).exact();
        // As few as have a column each, and then more.
        let few = Wide {
            columns: 155,
            ..kind
        };
        let down = "alter table t add c156 int, add c157 int, add c158 int, add c159 int, add c160 int;
            update t set c1 = null where id = 2; alter table t add c161 int; update t set c2 = c3, c161 = 1;
            alter table t drop c161, drop c160, drop c159, drop c158, drop c157, drop c156";
        few.case(" primary key", "select 1", down).exact();
    }
}

#[test]
fn what_others_wrote_meanwhile_stays() {
    for kind in tried(TWO) {
        let case = kind.case(" primary key", "select 1", CHANGES);
        case.back();
        case.sandbox.sql(
            "update t set c1 = 7 where id = 3; update t set c5 = null where id = 2;
             insert into t select 1; insert into t select 20; delete from t where id = 7",
        );
        let done = case.undo();
        assert_eq!(done["conflicts"].as_array().unwrap().len(), 2, "{done:#}");
        let is = "select id, c1 is null, c5 is null, c7 is null from t order by id";
        let is = case.sandbox.query_text(is);
        assert_eq!(is, "1|t|t|t\n2|f|t|f\n3|f|f|f\n4|f|f|f\n5|f|f|f\n20|t|t|t");
    }
}

#[test]
fn some_tables_alone_and_columns_dropped_since() {
    // The first has a column each for what is left.
    for kind in tried([KINDS[0], KINDS[4]]) {
        let case = kind.case(" primary key", "select 1", CHANGES);
        case.back();
        let gone: Vec<String> = (60..=150).map(|n| format!("drop c{n}")).collect();
        case.sandbox
            .sql(&format!("alter table t {}", gone.join(", ")));
        for which in [["--table", "t"], ["--accept-drift", "-v"]] {
            let args = [&["undo", "--yes", "--json"][..], &which[..]].concat();
            case.sandbox.run("rollback", &args).assert_exit(0);
            let is = "select id, c1 is null, c7 is null, c3 is null from t order by id";
            let is = case.sandbox.query_text(is);
            assert_eq!(is, "1|f|f|f\n2|f|f|f\n3|f|f|f\n4|f|f|f\n5|f|f|f");
        }
    }
}

#[test]
fn unique_values_that_rows_exchange() {
    for kind in tried(TWO) {
        let base = kind.definition(" primary key") + "; alter table t add unique (c9)";
        let rows = kind
            .rows(5)
            .replace(&format!("c9 = {}", kind.value), "c9 = id");
        let down = "update t set c9 = 0 where id = 1; update t set c9 = 1 where id = 2;
            update t set c9 = 2, c3 = null where id = 1";
        Case::new(&base, &[("select 1", down)], &rows).exact();
    }
}

#[test]
fn what_the_server_cannot_hold_with_a_flag_is_refused_before_anything_happens() {
    let most = Wide {
        columns: 1599,
        ..KINDS[4]
    };
    let case = most.case(" primary key", "select 1", CHANGES);
    case.refused(
        "public.t has 1600 columns that can be written; rows can be put back of no more than 1599",
    );
}

#[test]
fn columns_that_the_server_has_no_numbers_for_again_are_refused_before_anything_is_final() {
    let kind = KINDS[4];
    let base = kind.definition(" primary key") + "; alter table t drop c20, drop c21";
    let rows = "insert into t (id) values (1), (2)";
    let up = "alter table t add c1591 int, add c1592 int";
    let down = "alter table t drop c1591, drop c1592";
    let up = up.to_owned() + ", add c1593 int, add c1594 int, add c1595 int, add c1596 int";
    let down = down.to_owned() + ", drop c1593, drop c1594, drop c1595, drop c1596";
    let case = Case::new(&base, &[(&up, &down)], rows);
    case.refused("tables can have at most 1600 columns");
}
