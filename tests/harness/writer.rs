//! An application at work while something else happens: commits are counted as acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::database::Session;
use super::sandbox::Sandbox;

/// A thread that runs statement after statement, each in a transaction of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: Option<JoinHandle<Written>>,
}

/// What became of each statement, by its number.
#[derive(Debug, Default, Clone)]
pub struct Written {
    /// The server said that it is committed.
    pub committed: Vec<u64>,
    /// The server refused, with this SQLSTATE.
    pub refused: Vec<(u64, String)>,
    /// The connection ended without an answer.
    pub unknown: Vec<u64>,
    /// How long the longest of them took.
    pub longest: Duration,
}

impl Writer {
    /// Starts writing: `statement(n)` is run for n = 1, 2, 3 … until [`stop`](Self::stop).
    pub fn start(sandbox: &Sandbox, statement: impl Fn(u64) -> String + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (folder, database) = (sandbox.cluster.folder.clone(), sandbox.database.clone());
        let thread = thread::spawn({
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            move || {
                let mut written = Written::default();
                let mut session = None;
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let Some(open) = &session else {
                        session = Session::connect(&folder, &database, "postgres").ok();
                        thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    number += 1;
                    let began = Instant::now();
                    let outcome = open.try_run(&statement(number));
                    written.longest = written.longest.max(began.elapsed());
                    match outcome {
                        Ok(()) => {
                            written.committed.push(number);
                            acknowledged.fetch_add(1, Ordering::Release);
                        }
                        // Classes 57P and 08 end the connection; whether before or after a
                        // commit, nobody knows.
                        Err(error) => match error.code() {
                            Some(code) if !code.code().starts_with("57P") => {
                                written.refused.push((number, code.code().to_owned()));
                            }
                            _ => {
                                written.unknown.push(number);
                                session = None;
                            }
                        },
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                written
            }
        });
        Self {
            stop,
            acknowledged,
            thread: Some(thread),
        }
    }

    /// Waits until `count` more statements are acknowledged.
    pub fn wait_for(&self, count: u64) {
        let goal = self.acknowledged.load(Ordering::Acquire) + count;
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.acknowledged.load(Ordering::Acquire) < goal {
            assert!(
                Instant::now() < deadline,
                "nothing is acknowledged any more"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops, and tells what was written.
    pub fn stop(mut self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
