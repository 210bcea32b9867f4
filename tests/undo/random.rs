//! Combinations that nobody thought of: schemas, data and scripts drawn by a seed. Whatever comes
//! of it, a rollback and its undo leave everything as it was, or the rollback is refused and
//! changes nothing.
//!
//! `PGBELAY_TEST_SEEDS=200` tries more seeds, with `PGBELAY_TEST_FROM=101` only the later ones, and
//! `PGBELAY_TEST_SEED=7` just that one. What was drawn how often is printed at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::case::Case;
use super::drawn::{Draw, base, data, step};
use super::meanwhile::{self, Meanwhile, Model};
use super::odd::{Made, ODD};

/// What a seed has drawn; told when its test fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), self.0.as_bytes());
        }
    }
}

/// What a seed drew, by name, and whether the rollback could be made and undone.
type Tried = (Vec<&'static str>, bool);

/// Many statements on a schema that they all share.
fn try_seed(seed: u64) -> Tried {
    let mut draw = Draw(seed);
    let (base, mut schema) = base(&mut draw);
    let count = 1 + draw.below(5);
    let steps: Vec<(String, String)> = (2..=count + 1)
        .map(|number| step(&mut draw, number, &mut schema))
        .collect();
    let data = data(&mut draw, &schema);
    let mut told = format!("seed {seed}\n-- base\n{base}\n");
    for (up, down) in &steps {
        let _ = write!(told, "-- up\n{up}\n-- down\n{down}\n");
    }
    let _ = write!(told, "-- data\n{data}");
    let told = Told(told);
    let steps: Vec<(&str, &str)> = steps.iter().map(|(u, d)| (&**u, &**d)).collect();
    let case = Case::new(&base, &steps, &data);
    if seed.is_multiple_of(8) {
        case.assert_locks_foretold(); // it takes as long as all the rest
    }
    for _ in 0..=(seed % 2) {
        let before = case.state();
        let output = case.try_back();
        let refused = output.says("RB-NO-KEY") || output.says("can't be matched");
        if output.code == Some(3) && refused || output.code == Some(1) {
            case.assert_taken_back(&before);
            return (Vec::new(), false); // refused, or the scripts don't fit the data
        }
        output.assert_exit(0);
        let done = case.undo();
        case.assert_as(&before, &done);
        assert_eq!(
            done["conflicts"].as_array().map(Vec::len),
            Some(0),
            "{done}"
        );
    }
    drop(told);
    (Vec::new(), true)
}

/// Some odd things, each with a table of its own, and what others do meanwhile.
fn try_odd_seed(seed: u64) -> Tried {
    let mut draw = Draw(seed ^ 0x0dd_0dd);
    let major = crate::harness::cluster::installation().unwrap().major();
    let possible: Vec<_> = ODD.iter().filter(|odd| major < odd.until).collect();
    let count = 1 + draw.below(4);
    let all: Vec<Made> = (1..=count)
        .map(|number| {
            let odd = possible[draw.below(possible.len())];
            Made::draw(&mut draw, odd, number)
        })
        .collect();
    let meanwhile = Meanwhile::ALL[draw.below(Meanwhile::ALL.len())];
    let mut drawn: Vec<&str> = all.iter().map(|made| made.odd.name).collect();
    drawn.push(meanwhile.name());

    let join = |part: &dyn Fn(&Made) -> String| all.iter().map(part).collect::<String>();
    let (base, data) = (join(&Made::base), join(&Made::data));
    let steps: Vec<(String, String)> = all.iter().map(Made::step).collect();
    let hand: Vec<String> = all.iter().map(Made::hand).collect();
    let mut told = Told(format!("odd seed {seed}: {drawn:?}\n-- base\n{base}\n"));
    for (up, down) in &steps {
        let _ = write!(told.0, "-- up\n{up}\n-- down\n{down}\n");
    }
    let _ = write!(told.0, "-- data\n{data}\n-- by hand\n{}\n", hand.join("\n"));
    let steps: Vec<(&str, &str)> = steps.iter().map(|(u, d)| (&**u, &**d)).collect();
    let case = Case::new(&base, &steps, &data);
    for hand in hand.iter().filter(|hand| !hand.is_empty()) {
        case.sandbox.sql(hand);
    }

    let mut before = case.state();
    before.forget("public.ddl_log");
    let sandbox = &case.sandbox;
    let written = all.iter().filter(|made| !made.odd.still);
    let mut models: Vec<Model<'_>> = written.map(|made| Model::of(sandbox, made)).collect();
    let older = (meanwhile == Meanwhile::OlderTransaction).then(|| sandbox.session());
    let output = if let Some(older) = &older {
        older.run("begin; select pg_current_xact_id()");
        case.try_back_beside_others()
    } else {
        case.try_back_accepting_drift()
    };
    if output.code == Some(3) && output.says("RB-NO-KEY") {
        case.assert_taken_back(&before);
        return (drawn, false);
    }
    output.assert_exit(0);
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Writes | Meanwhile::OlderTransaction => {
            let session = older.unwrap_or_else(|| {
                let session = sandbox.session();
                session.run("begin");
                session
            });
            for model in &mut models {
                let wrote = model.write(&mut draw, &session);
                let _ = write!(told.0, "-- others\n{wrote}");
            }
            session.run("commit");
        }
        Meanwhile::MovedByDump => meanwhile::move_by_dump(sandbox),
        Meanwhile::MovedByBackup => meanwhile::move_by_backup(sandbox),
        Meanwhile::InPart => {
            let part = ["undo", "--yes", "--table", "*"];
            sandbox.run("rollback", &part).assert_exit(0);
        }
    }
    let args = ["undo", "--yes", "--json"];
    let undone = sandbox.run("rollback", &args);
    undone.assert_exit(0);
    let done = undone.last();
    if matches!(meanwhile, Meanwhile::Writes | Meanwhile::OlderTransaction) {
        for model in &models {
            model.check(sandbox, &done);
        }
    } else {
        case.assert_as(&before, &done);
        if meanwhile != Meanwhile::InPart {
            assert_eq!(
                done["conflicts"].as_array().map(Vec::len),
                Some(0),
                "{done}"
            );
        }
    }
    drop(told);
    (drawn, true)
}

#[test]
fn seeds_of_one_schema() {
    try_all("seed", try_seed);
}

#[test]
fn odd_databases_and_what_others_do_meanwhile() {
    try_all("odd seed", try_odd_seed);
}

#[expect(
    clippy::print_stdout,
    reason = "whoever runs many wants to see what was tried"
)]
fn try_all(what: &str, try_one: impl Fn(u64) -> Tried + Sync) {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    if let Some(seed) = number("PGBELAY_TEST_SEED") {
        try_one(seed);
        return;
    }
    let from = number("PGBELAY_TEST_FROM").unwrap_or(1);
    let seeds = number("PGBELAY_TEST_SEEDS").unwrap_or(10);
    let next = AtomicU64::new(from);
    let made = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let sums: Mutex<BTreeMap<&str, [u64; 2]>> = Mutex::new(BTreeMap::new());
    let some = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            let tried = std::panic::AssertUnwindSafe(|| try_one(seed));
            match std::panic::catch_unwind(tried) {
                Ok((drawn, undone)) => {
                    made.fetch_add(u64::from(undone), Ordering::Relaxed);
                    let mut sums = sums.lock().unwrap();
                    for name in drawn {
                        sums.entry(name).or_default()[usize::from(!undone)] += 1;
                    }
                }
                Err(_) => failed.lock().unwrap().push(seed),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, |n| 2 * n.get().min(4)); // they wait for servers, mostly
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(some);
        }
    });
    let (failed, made) = (failed.into_inner().unwrap(), made.into_inner());
    for (name, [undone, refused]) in sums.into_inner().unwrap() {
        println!("{what}: {name}: undone {undone}, refused {refused}");
    }
    let tried = (seeds + 1).saturating_sub(from);
    println!(
        "{what}s {from} to {seeds}: {made} undone, {} failed",
        failed.len()
    );
    assert!(failed.is_empty(), "failing: {what} {failed:?}");
    assert!(
        made * 2 > tried,
        "only {made} of {tried} could be rolled back"
    );
}
