//! From a parsed command line to the exit code.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::CommandFactory;
use pgbelay_core::error::{Context as _, Error, Kind, Result};
use pgbelay_core::store;
use tokio::signal::unix::{SignalKind, signal};

use crate::all;
use crate::args::{Shared, secret};
use crate::audit::Audit;
use crate::environment::Environment;
use crate::output::Output;
use crate::report::failure;
use crate::shell::{Ending, Shell};

/// Runs `command` of the tool `C` until it ends or the user interrupts it, and reports how it ended.
pub fn run<C, F>(shared: Shared, command: F) -> ExitCode
where
    C: CommandFactory,
    F: AsyncFnOnce(&Shell) -> Result<Ending>,
{
    let output = Arc::new(Output::real());
    let shell = Shell::new(shared, Environment::read(), Arc::clone(&output));
    let raw: Vec<OsString> = std::env::args_os().collect();
    let words = || secret::masked(&C::command(), &raw);
    let ended = audited(&shell, words, || {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if shell.shared().all {
                supervise(&shell, async |shell| all::run(shell, &raw).await)
            } else {
                supervise(&shell, command)
            }
        }));
        let ended = ended.unwrap_or_else(|_| Err(Error::failed("this is a bug in pgbelay")));
        shell.rest();
        ended.and_then(|ending| output.finish().map(|()| ending))
    });
    match ended {
        Ok(ending) => ExitCode::from(ending.exit().code()),
        Err(error) => {
            report(&shell, &error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Runs `work`, and writes down how it ended where somebody wants to know.
fn audited(
    shell: &Shell,
    words: impl FnOnce() -> Vec<String>,
    work: impl FnOnce() -> Result<Ending>,
) -> Result<Ending> {
    // A mistake in the settings is told by the command itself.
    let settings = shell.settings().ok();
    let Some((path, env)) = settings.and_then(|s| Some((s.audit?, s.env))) else {
        return work();
    };
    let audit = Audit::open(&path, words(), env)?;
    let ended = work();
    let code = match &ended {
        Ok(ending) => ending.exit().code(),
        Err(error) => error.kind().exit_code(),
    };
    let written = audit.close(code, ended.as_ref().err());
    ended.and_then(|ending| written.map(|()| ending))
}

fn supervise<F>(shell: &Shell, command: F) -> Result<Ending>
where
    F: AsyncFnOnce(&Shell) -> Result<Ending>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start")?;
    // Heard also while the command waits for a bucket, and looks at nothing else.
    let interrupted = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&interrupted);
    runtime.spawn(async move {
        interruption().await;
        heard.store(true, Ordering::Relaxed);
        store::hurry();
    });
    let ended = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interruption() => {}
            ended = command(shell) => return match ended {
                Err(error) if interrupted.load(Ordering::Relaxed) => {
                    Err(Error::new(Kind::Interrupted, "interrupted").caused_by(error))
                }
                ended => ended,
            },
        }
        // The operation is dropped; a moment for what it sends on its way out.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(Error::new(Kind::Interrupted, "interrupted"))
    });
    // A question nobody answered keeps a thread; don't wait for it.
    runtime.shutdown_background();
    ended
}

/// Waits for the first SIGINT or SIGTERM.
async fn interruption() {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    } else {
        std::future::pending::<()>().await;
    }
}

fn report(shell: &Shell, error: &Error) {
    let output = shell.output();
    if error.kind() == Kind::Interrupted && output.err_is_terminal() {
        // Whatever hid the cursor is gone; the line with ^C ends here.
        output.err("\x1b[?25h\n");
    }
    if shell.json() {
        output.out(&failure::json(error, &shell.target()));
    } else {
        output.err(&failure::human(error, shell.err_paint()));
    }
}
