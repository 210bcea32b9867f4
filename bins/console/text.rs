//! Words and numbers for people, safe to show on a terminal.

use std::time::Duration;

use chrono::SecondsFormat;
use pgbelay_core::clock::Timestamp;
use pgbelay_core::ident::Revision;

/// `text` on one line, with everything escaped that could move the cursor, change colours, hide
/// or reorder what follows.
pub fn safe(text: &str) -> String {
    text.chars().flat_map(|c| escape(c, false)).collect()
}

/// Like [`safe`], but keeps line breaks.
pub fn safe_lines(text: &str) -> String {
    text.chars().flat_map(|c| escape(c, true)).collect()
}

/// A revision, or the word for none.
pub fn base(revision: Option<&Revision>) -> String {
    revision.map_or("base".to_owned(), |r| safe(r.as_str()))
}

/// `text` as [`safe`] has it, with nothing in it that HTML or XML could take for markup, in elements
/// and in attributes.
pub fn markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // XML has no place for these (1.0, 2.2).
            '\u{fffe}' | '\u{ffff}' => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An SQL statement, on lines of its own, as it stands but for what could drive the terminal.
pub fn statement(sql: &str) -> String {
    let sql = safe_lines(&sql.replace('\t', "    "));
    let sql = sql.trim_end();
    let end = if sql.ends_with(';') { "" } else { ";" };
    format!("{sql}{end}\n")
}

fn escape(c: char, lines: bool) -> Vec<char> {
    let hides = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    );
    if (c.is_control() || hides) && !(lines && c == '\n') {
        c.escape_default().collect()
    } else {
        vec![c]
    }
}

/// A size: `512 B`, `1.4 MB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = "kB";
    for larger in ["MB", "GB", "TB", "PB"] {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// A number with thousands separators: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 row`, `12,345 rows`.
pub fn many(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// A duration: `340 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`.
pub fn took(duration: Duration) -> String {
    let (millis, seconds) = (duration.as_millis(), duration.as_secs());
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 => format!("{:.1} s", millis as f64 / 1000.0),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes per second.
pub fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    (bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}

/// The time that is left, when `share` of the work took `elapsed`; `None` while it is too early
/// to tell.
pub fn left(share: f64, elapsed: Duration) -> Option<Duration> {
    let likely = elapsed.mul_f64((1.0 - share).max(0.0) / share.max(0.001));
    (share >= 0.02).then_some(likely)
}

/// An instant for people: `2026-11-21 10:15:00 UTC`.
pub fn when(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An instant for machines: RFC 3339, UTC.
pub fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(safe("orders"), "orders");
        assert_eq!(safe("größe"), "größe");
        assert_eq!(safe("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(safe("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(
            safe("a\u{202e}b\u{9b}c\u{7f}"),
            "a\\u{202e}b\\u{9b}c\\u{7f}"
        );
        assert_eq!(statement("SELECT\t1\n"), "SELECT    1;\n");
        assert_eq!(safe_lines("a\nb\x07"), "a\nb\\u{7}");
    }

    #[test]
    fn numbers_are_readable() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_400_000, "1.4 MB"),
            (999_960, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(many(1, "row", "rows"), "1 row");
        assert_eq!(took(Duration::from_millis(340)), "340 ms");
        assert_eq!(took(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(took(Duration::from_secs(250)), "4 min 10 s");
        assert_eq!(took(Duration::from_mins(125)), "2 h 5 min");
        assert_eq!(per_second(3_000, Duration::from_millis(1500)), 2_000);
        let minute = Duration::from_mins(1);
        assert_eq!(left(0.25, minute), Some(Duration::from_mins(3)));
        assert_eq!(left(1.0, minute), Some(Duration::ZERO));
        assert_eq!(left(0.0, minute), None);
    }
}
