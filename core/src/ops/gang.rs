//! Tasks for several connections at once, each on a thread of its own, in an order that keeps
//! them from waiting for each other's locks, and has nothing done before what it needs.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;

use crate::error::{Context as _, Error, Result};
use crate::pg::connect;
use crate::pg::error::sqlstate;
use crate::pg::options::ConnectOptions;
use crate::pg::session::{Canceller, Client, Session};

/// Something to be done on one connection.
#[derive(Debug, Clone)]
pub struct Task<T> {
    /// What.
    pub what: T,
    /// What it locks: tables, by any text that tells them apart; true for alone.
    pub locks: Vec<(String, bool)>,
    /// What must be given first, by all tasks that give it. What nobody gives is there already.
    pub needs: Vec<String>,
    /// What is there once it is done.
    pub gives: Vec<String>,
    /// How long it takes, in any unit that is the same for all.
    pub weight: u64,
}

impl<T> Task<T> {
    /// A task that needs and locks nothing.
    pub const fn new(what: T) -> Self {
        Self {
            what,
            locks: Vec::new(),
            needs: Vec::new(),
            gives: Vec::new(),
            weight: 0,
        }
    }
}

/// One connection, used from a thread that may block.
pub struct Hand {
    runtime: Runtime,
    session: Session,
    stop: Arc<AtomicBool>,
    alone: Cell<bool>,
}

impl Hand {
    /// True when the task at hand will take longer than its share of all that is left: others will
    /// then have nothing to do, so that it may use their processors.
    pub const fn is_alone(&self) -> bool {
        self.alone.get()
    }

    /// Waits for `future`.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The connection.
    pub const fn client(&self) -> &Client {
        self.session.client()
    }

    /// Fails when the work was given up.
    pub fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::failed("the work was given up"));
        }
        Ok(())
    }
}

/// Does the tasks, the first ones first where locks allow, on up to `jobs` connections. Returns
/// what came of them, in no particular order; or the first failure, after which nothing more is
/// begun and what runs is cancelled.
pub async fn run<T, R, W>(
    options: &ConnectOptions,
    jobs: usize,
    tasks: Vec<Task<T>>,
    work: W,
) -> Result<Vec<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    W: Fn(&Hand, T) -> Result<R> + Send + Sync + 'static,
{
    let jobs = jobs.min(tasks.len());
    let mut owed = BTreeMap::new();
    for gift in tasks.iter().flat_map(|task| &task.gives) {
        *owed.entry(gift.clone()).or_default() += 1;
    }
    let board = Arc::new(Board {
        jobs: jobs as u64,
        state: Mutex::new(State {
            waiting: tasks.into(),
            owed,
            running: 0,
            busy: BTreeMap::new(),
            failure: None,
            refused: None,
            cancellers: Vec::new(),
        }),
        changed: Condvar::new(),
        stop: Arc::default(),
    });
    let guard = Guard(Arc::clone(&board));
    let work = Arc::new(work);
    let mut threads = Vec::new();
    for _ in 0..jobs {
        let (board, work, options) = (Arc::clone(&board), Arc::clone(&work), options.clone());
        threads.push(tokio::task::spawn_blocking(move || {
            let mut done = Vec::new();
            if let Err(error) = board.serve(&options, work.as_ref(), &mut done) {
                board.fail(error);
            }
            done
        }));
    }
    let mut all = Vec::new();
    for thread in threads {
        let done = thread.await;
        all.extend(done.map_err(|e| Error::failed("a worker stopped").caused_by(e))?);
    }
    let mut state = board.state();
    let undone = !state.waiting.is_empty();
    let failure = state.failure.take();
    let failure = failure.or(state.refused.take().filter(|_| undone));
    // Everybody has ended: nothing runs that would have to be cancelled.
    state.cancellers.clear();
    drop(state);
    drop(guard);
    failure.map_or(Ok(all), Err)
}

struct State<T> {
    waiting: VecDeque<Task<T>>,
    /// How many tasks that give something are not done.
    owed: BTreeMap<String, usize>,
    running: usize,
    /// How often each lock is held; -1 for alone.
    busy: BTreeMap<String, i64>,
    failure: Option<Error>,
    /// Why there are fewer connections than wanted.
    refused: Option<Error>,
    cancellers: Vec<Canceller>,
}

struct Board<T> {
    jobs: u64,
    state: Mutex<State<T>>,
    changed: Condvar,
    stop: Arc<AtomicBool>,
}

impl<T> Board<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve<R>(
        &self,
        options: &ConnectOptions,
        work: &impl Fn(&Hand, T) -> Result<R>,
        done: &mut Vec<R>,
    ) -> Result<()> {
        // Its own: no wake-up of another thread for what arrives.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("can't start a worker")?;
        let session = match runtime.block_on(connect::connect(options, "pgbelay restore")) {
            Ok(session) => session,
            // The server has no connection left: others do the work, if there are any.
            Err(error) if sqlstate(&error).as_deref() == Some("53300") => {
                self.state().refused = Some(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.state().cancellers.push(session.canceller());
        let hand = Hand {
            runtime,
            session,
            stop: Arc::clone(&self.stop),
            alone: Cell::new(false),
        };
        while let Some((task, alone)) = self.next()? {
            hand.alone.set(alone);
            let outcome = work(&hand, task.what)?;
            self.finished(&task.locks, &task.gives);
            done.push(outcome);
        }
        Ok(())
    }

    /// The next task that can be done now, and whether it [is alone](Hand::is_alone); waits for
    /// one if need be.
    fn next(&self) -> Result<Option<(Task<T>, bool)>> {
        let mut state = self.state();
        loop {
            if self.stop.load(Ordering::Relaxed) || state.waiting.is_empty() {
                return Ok(None);
            }
            let place = (state.waiting.iter())
                .position(|t| is_free(&state.busy, &t.locks) && is_given(&state.owed, &t.needs));
            if let Some(task) = place.and_then(|place| state.waiting.remove(place)) {
                for (lock, alone) in &task.locks {
                    let held = state.busy.entry(lock.clone()).or_default();
                    *held = if *alone { -1 } else { *held + 1 };
                }
                state.running += 1;
                let left: u64 = state.waiting.iter().map(|t| t.weight).sum();
                let share = (task.weight + left) / self.jobs;
                let alone = self.jobs == 1 || task.weight > share;
                return Ok(Some((task, alone)));
            }
            if state.running == 0 {
                // It would wait for ever.
                return Err(Error::failed("what is left to do needs what nobody does"));
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finished(&self, locks: &[(String, bool)], gives: &[String]) {
        let mut state = self.state();
        state.running -= 1;
        for gift in gives {
            if let Some(owed) = state.owed.get_mut(gift) {
                *owed -= 1;
            }
        }
        for (lock, alone) in locks {
            if let Some(held) = state.busy.get_mut(lock) {
                *held = if *alone { 0 } else { *held - 1 };
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Stops everything because of `error`, unless it was stopped before.
    fn fail(&self, error: Error) {
        self.state().failure.get_or_insert(error);
        self.give_up();
    }

    /// Begins nothing more, and cancels what runs.
    fn give_up(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut state = self.state();
        state.waiting.clear();
        let cancellers = std::mem::take(&mut state.cancellers);
        drop(state);
        self.changed.notify_all();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            for canceller in cancellers {
                // A statement that isn't cancelled only costs time.
                runtime.spawn(async move { drop(canceller.cancel().await) });
            }
        }
    }
}

fn is_free(busy: &BTreeMap<String, i64>, locks: &[(String, bool)]) -> bool {
    locks.iter().all(|(lock, alone)| {
        let held = busy.get(lock).copied().unwrap_or_default();
        held == 0 || (held > 0 && !alone)
    })
}

fn is_given(owed: &BTreeMap<String, usize>, needs: &[String]) -> bool {
    (needs.iter()).all(|need| owed.get(need).is_none_or(|owed| *owed == 0))
}

/// Gives up when the one who waits is gone.
struct Guard<T>(Arc<Board<T>>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_shared_or_alone() {
        let busy = BTreeMap::from([
            ("a".to_owned(), 2),
            ("b".to_owned(), -1),
            ("c".to_owned(), 0),
        ]);
        let free = |lock: &str, alone| is_free(&busy, &[(lock.to_owned(), alone)]);
        assert!(free("a", false) && !free("a", true));
        assert!(!free("b", false) && !free("b", true));
        assert!(free("c", true) && free("d", true));
    }

    #[test]
    fn what_is_needed_is_there_when_all_have_given_it() {
        let owed = BTreeMap::from([("rows".to_owned(), 1), ("key".to_owned(), 0)]);
        let given = |needs: &[&str]| {
            let needs: Vec<String> = needs.iter().map(|n| (*n).to_owned()).collect();
            is_given(&owed, &needs)
        };
        assert!(given(&[]) && given(&["key"]) && given(&["key", "what nobody gives"]));
        assert!(!given(&["rows"]) && !given(&["key", "rows"]));
    }
}
