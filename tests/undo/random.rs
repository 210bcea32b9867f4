//! Combinations that nobody thought of: schemas, data and scripts drawn by a seed. Whatever comes
//! of it, a rollback and its undo leave everything as it was, or the rollback is refused and
//! changes nothing.
//!
//! `PGBELAY_TEST_SEEDS=200` tries more seeds, `PGBELAY_TEST_SEED=7` just that one.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::case::Case;
use super::drawn::{Draw, base, data, step};

/// What a seed has drawn; told when its test fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), self.0.as_bytes());
        }
    }
}

/// True when the rollback could be made and undone.
fn try_seed(seed: u64) -> bool {
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
            return false; // refused, or the scripts don't fit the data
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
    true
}

#[test]
fn whatever_a_seed_draws() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    if let Some(seed) = number("PGBELAY_TEST_SEED") {
        try_seed(seed);
        return;
    }
    let seeds = number("PGBELAY_TEST_SEEDS").unwrap_or(10);
    let next = AtomicU64::new(1);
    let made = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let some = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            match std::panic::catch_unwind(|| try_seed(seed)) {
                Ok(true) => drop(made.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => {}
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
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    let made = made.into_inner();
    assert!(
        made * 2 > seeds,
        "only {made} of {seeds} could be rolled back"
    );
}
