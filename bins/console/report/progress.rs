//! Progress for people, on standard error: bars on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pgbelay_core::model::event::{Event, Observer};

use crate::output::Output;
use crate::paint::Paint;
use crate::text::{count, left, many, per_second, safe, safe_lines, size, statement, took};

/// Without a terminal, progress and waiting are told at most this often.
const PACE: Duration = Duration::from_secs(5);

/// An observer for people.
pub struct Progress {
    output: Arc<Output>,
    paint: Paint,
    quiet: bool,
    notes: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bars: Option<Bars>,
    last: Option<Instant>,
    /// When progress in all was told last.
    summed: Option<Instant>,
}

struct Bars {
    all: MultiProgress,
    phase: ProgressBar,
    parts: HashMap<String, ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let phase = all.add(ProgressBar::new_spinner());
        phase.set_style(style("{spinner} {msg}"));
        phase.enable_steady_tick(Duration::from_millis(120));
        let parts = HashMap::new();
        Self { all, phase, parts }
    }

    fn part(&mut self, what: String, done: u64, total: u64) {
        let bar = self.parts.entry(what).or_insert_with_key(|what| {
            let bar = ProgressBar::no_length().with_message(safe(what));
            self.all
                .add(bar.with_style(style("  {wide_msg} {human_pos}")))
        });
        if total > 0 && bar.length() != Some(total) {
            bar.set_style(style("  {wide_msg} {bar:20} {human_pos}/{human_len}"));
            bar.set_length(total);
        } else if total == 0 {
            bar.set_style(style("  {wide_msg} {human_pos}"));
        }
        bar.set_position(done);
        if total > 0 && done >= total {
            bar.finish_and_clear();
        }
    }

    fn clear_parts(&mut self) {
        for (_, bar) in self.parts.drain() {
            bar.finish_and_clear();
        }
    }
}

/// How far everything is: `1,204,000 rows, 80 MiB, 41 MiB/s, 31 %, about 12s left`.
fn overall(rows: u64, bytes: u64, share: f64, elapsed: Duration) -> String {
    let rate = size(per_second(bytes, elapsed));
    let so_far = format!("{}, {}, {rate}/s", many(rows, "row", "rows"), size(bytes));
    match left(share, elapsed) {
        Some(left) => format!(
            "{so_far}, {:.0} %, about {} left",
            share * 100.0,
            took(left)
        ),
        None => so_far,
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress {
    /// Progress on the standard error of `output`. `quiet` leaves warnings only; `notes` shows
    /// notes too.
    pub fn new(output: Arc<Output>, paint: Paint, quiet: bool, notes: bool) -> Self {
        let state = Mutex::default();
        Self {
            output,
            paint,
            quiet,
            notes,
            state,
        }
    }

    /// Takes the bars off the terminal until the next event.
    pub fn rest(&self) {
        let mut state = self.state();
        if let Some(mut bars) = state.bars.take() {
            bars.clear_parts();
            bars.phase.finish_and_clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, state: &State, text: &str) {
        let write = || self.output.err(&format!("{text}\n"));
        match &state.bars {
            Some(bars) => bars.all.suspend(write),
            None => write(),
        }
    }

    /// Shows what is going on now: on the spinner, or as a line.
    fn now(&self, state: &mut State, text: &str) {
        if self.output.err_is_terminal() {
            let bars = state.bars.get_or_insert_with(Bars::new);
            bars.phase.set_message(text.to_owned());
        } else {
            self.line(state, text);
        }
    }

    /// Like [`Progress::now`], but as a line not too often.
    fn paced(&self, state: &mut State, text: &str) {
        let due = state.last.is_none_or(|last| last.elapsed() >= PACE);
        if self.output.err_is_terminal() || due {
            state.last = Some(Instant::now());
            self.now(state, text);
        }
    }

    fn show(&self, state: &mut State, event: Event) {
        match event {
            Event::Phase(phase) => {
                if let Some(bars) = &mut state.bars {
                    bars.clear_parts();
                }
                state.last = Some(Instant::now());
                self.now(state, phase.describe());
            }
            Event::Progress {
                what, done, total, ..
            } => {
                if let Some(bars) = &mut state.bars {
                    bars.part(what, done, total);
                } else if total > 0 {
                    let (part, all) = (count(done), many(total, "row", "rows"));
                    self.paced(state, &format!("  {}: {part} of {all}", safe(&what)));
                } else {
                    let rows = many(done, "row", "rows");
                    self.paced(state, &format!("  {}: {rows}", safe(&what)));
                }
            }
            Event::Waiting { on, waited } => {
                let text = format!("waiting for {} ({})", safe(&on), took(waited));
                self.paced(state, &text);
            }
            Event::MigrationStarted {
                revision,
                name,
                back,
            } => {
                let verb = if back { "undoing" } else { "applying" };
                self.paced(state, &format!("{verb} {revision} {}", safe(&name)));
            }
            Event::MigrationFinished {
                revision,
                name,
                back,
                took: time,
            } => {
                let verb = if back { "undone " } else { "applied" };
                let verb = self.paint.green(verb);
                let time = self.paint.dim(&format!("({})", took(time)));
                self.line(state, &format!("{verb} {revision} {} {time}", safe(&name)));
            }
            Event::BackupComplete { id, rows, bytes } => {
                let what = format!("{}, {}", many(rows, "row", "rows"), size(bytes));
                self.line(
                    state,
                    &format!("{} {id} ({what})", self.paint.green("saved")),
                );
            }
            Event::Overall {
                phase,
                rows,
                bytes,
                share,
                elapsed,
            } => {
                let text = overall(rows, bytes, share, elapsed);
                if self.output.err_is_terminal() {
                    self.now(state, &format!("{}: {text}", phase.describe()));
                } else if state.summed.is_none_or(|last| last.elapsed() >= PACE) && elapsed >= PACE
                {
                    state.summed = Some(Instant::now());
                    self.line(state, &text);
                }
            }
            Event::Statement { .. } | Event::Sql(_) | Event::Warning(_) | Event::Note(_) => {}
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: Event) {
        let mut state = self.state();
        match event {
            Event::Warning(message) => {
                let label = self.paint.yellow("warning:");
                self.line(&state, &format!("{label} {}", safe_lines(&message)));
            }
            Event::Sql(sql) => self.line(&state, statement(&sql).trim_end()),
            Event::Note(message) if self.notes => {
                self.line(&state, &self.paint.dim(&safe_lines(&message)));
            }
            Event::Statement { revision, line } if self.notes => {
                let text = format!("{revision}, line {line}: ran");
                self.line(&state, &self.paint.dim(&text));
            }
            event if !self.quiet => self.show(&mut state, event),
            _ => {}
        }
    }
}
