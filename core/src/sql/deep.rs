//! Runs the recursive parser where neither nesting nor a defect of it ends the process.
//!
//! Brackets are limited; other nesting (`NOT NOT …`, `CASE` in `CASE`) has room for some ten
//! thousand levels, beyond which the process would end, before anything was run.

use std::thread;

/// Reserved, not used: pages count only once touched.
const STACK: usize = 128 << 20;

/// More open brackets than this are not parsed; people nest a dozen.
const DEEPEST: usize = 1_000;

/// What `work` makes of `text`, or `None` when `text` is nested too deeply or `work` panicked.
pub(super) fn run<T: Send>(text: &str, work: impl FnOnce(&str) -> T + Send) -> Option<T> {
    if depth(text) > DEEPEST {
        return None;
    }
    thread::scope(|scope| {
        thread::Builder::new()
            .name("sql".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || work(text))
            .ok()?
            .join()
            .ok()
    })
}

/// The deepest nesting of brackets, roughly: those in strings and comments count too.
fn depth(text: &str) -> usize {
    let mut now = 0_usize;
    let mut most = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' => now += 1,
            b')' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_nesting_nor_a_panic_gets_through() {
        assert_eq!(run("((a))", str::len), Some(5));
        assert_eq!(run(&"(".repeat(5_000), str::len), None);
        assert_eq!(run("x", |_| { panic!("defect") }), None::<()>);
    }
}
