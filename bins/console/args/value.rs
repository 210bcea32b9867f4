//! How single values are read, wherever they come from: flag, variable or config file.

use std::time::Duration;

use pgbelay_core::error::Error;
use pgbelay_core::ident::{Digest, Revision};
use pgbelay_core::model::backup::{Compression, VerifyLevel};
use pgbelay_core::model::layout::Layout;
use pgbelay_core::model::loss::Verdict;
use pgbelay_core::model::secret::Secret;

/// The longest duration PostgreSQL's settings can hold, nearly: 24 days.
const LONGEST: Duration = Duration::from_hours(24 * 24);

/// Hides a URL from everything but its user. An empty one is a variable that isn't set: whatever
/// else names a database must not take its place.
pub fn secret(text: &str) -> Result<Secret, String> {
    if text.trim().is_empty() {
        return Err("it is empty: is a variable not set?".to_owned());
    }
    Ok(Secret::new(text))
}

/// Reads a number of connections.
pub fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=64) => Ok(jobs),
        _ => Err("a number of connections from 1 to 64 is needed".to_owned()),
    }
}

/// Reads a number of bytes: `512KiB`, `64 MiB`, `1GiB`, or `0`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let bad = || "a size is a number and a unit: 512 KiB, 64 MiB, 1 GiB".to_owned();
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" if number == 0 => 0,
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(bad()),
    };
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// Reads a duration: `500ms`, `5s`, `2m`, `1h`, `1m30s`, or `0`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "a duration is a number and a unit: 500ms, 5s, 2m, 1h".to_owned();
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: u32 = number.parse().map_err(|_| bad())?;
        let one = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            "d" => Duration::from_hours(24),
            _ => return Err(bad()),
        };
        sum = one
            .checked_mul(number)
            .and_then(|part| sum.checked_add(part))
            .filter(|sum| *sum <= LONGEST)
            .ok_or("a duration is at most 24d")?;
        rest = tail;
    }
    if text.trim().is_empty() {
        return Err(bad());
    }
    Ok(sum)
}

/// Reads how far back to go: `36h`, `30d`, `8w`, `1y`, `1y30d`.
pub fn span(text: &str) -> Result<Duration, String> {
    let bad = || "a span is a number and a unit: 36h, 30d, 8w, 1y".to_owned();
    let mut rest = text.trim();
    let mut hours: u64 = 0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse::<u32>().map_err(|_| bad())?.into();
        let mut units = tail.chars();
        let one = match units.next() {
            Some('h') => 1,
            Some('d') => 24,
            Some('w') => 7 * 24,
            Some('y') => 365 * 24,
            _ => return Err(bad()),
        };
        // Neither can overflow: a u32 of years, a text no longer than a command line.
        hours = hours.saturating_add(number.saturating_mul(one));
        rest = units.as_str();
    }
    if hours > 1000 * 365 * 24 {
        return Err("a span is at most 1000y".to_owned());
    }
    Ok(Duration::from_secs(hours * 3600))
}

/// Reads a compression: `zstd[:L]`, `gzip[:L]` or `none`.
pub fn compression(text: &str) -> Result<Compression, String> {
    let bad = || "compression is zstd[:1-22], gzip[:1-9] or none".to_owned();
    let (word, level) = match text.split_once(':') {
        Some((word, level)) => (word, Some(level.parse::<u8>().map_err(|_| bad())?)),
        None => (text, None),
    };
    match (word, level) {
        ("zstd", None) => Ok(Compression::Zstd(1)),
        ("zstd", Some(level @ 1..=22)) => Ok(Compression::Zstd(level.into())),
        ("gzip", None) => Ok(Compression::Gzip(2)),
        ("gzip", Some(level @ 1..=9)) => Ok(Compression::Gzip(level.into())),
        ("none", None) => Ok(Compression::None),
        _ => Err(bad()),
    }
}

/// Reads a SHA-256 digest.
pub fn digest(text: &str) -> Result<Digest, String> {
    let text = text.trim().to_ascii_lowercase();
    text.parse()
        .map_err(|_| "a SHA-256 digest is 64 hexadecimal digits".to_owned())
}

/// Reads a level of verification.
pub fn level(text: &str) -> Result<VerifyLevel, String> {
    use VerifyLevel::{Decrypted, Hashed, Listed, Restored};
    [Listed, Hashed, Decrypted, Restored]
        .into_iter()
        .find(|level| level.as_str() == text)
        .ok_or_else(|| "the levels are listed, hashed, decrypted and restored".to_owned())
}

/// Reads a verdict, in upper or lower case.
pub fn verdict(text: &str) -> Result<Verdict, String> {
    use Verdict::{LossRecoverable, LossUnrecoverable, Missing, NoLoss, Unknown, WillFail};
    let all = [
        NoLoss,
        LossRecoverable,
        LossUnrecoverable,
        Unknown,
        WillFail,
        Missing,
    ];
    all.into_iter()
        .find(|verdict| verdict.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("the verdicts are {}", all.map(Verdict::as_str).join(", ")))
}

/// Reads the shape of a revision argument; whether it exists is found out later.
pub fn revision(text: &str) -> Result<String, String> {
    if looks_like_revision(text) {
        Ok(text.to_owned())
    } else {
        Err("a revision is digits (0041), version_name, head, base, +N or -N".to_owned())
    }
}

/// As [`revision`], or two of them: `FROM:TO`, either of which may be left out.
pub fn revisions(text: &str) -> Result<String, String> {
    let Some((from, to)) = text.split_once(':') else {
        return revision(text);
    };
    for part in [from, to].into_iter().filter(|part| !part.is_empty()) {
        revision(part)?;
    }
    Ok(text.to_owned())
}

/// Reads the name of a layout of migrations.
pub fn layout(text: &str) -> Result<Layout, String> {
    let words = || Layout::ALL.map(Layout::as_str).join(", ");
    let parsed: Result<Layout, Error> = text.parse();
    parsed.map_err(|_| format!("a layout is one of {}", words()))
}

/// Reads a version in full, as it stands in a file name.
pub fn version(text: &str) -> Result<Revision, String> {
    let parsed: Result<Revision, Error> = text.parse();
    parsed.map_err(|_| "name a version in full, as it stands in the file name: 0041".to_owned())
}

/// True for what can be a revision argument.
pub fn looks_like_revision(text: &str) -> bool {
    let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    match text.strip_prefix(['+', '-']) {
        Some(steps) => number(steps),
        None => matches!(text, "head" | "base") || text.starts_with(|c: char| c.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit() {
        for (text, expected) in [
            ("64MiB", Some(64 << 20)),
            (" 512 KiB ", Some(512 << 10)),
            ("1g", Some(1 << 30)),
            ("7b", Some(7)),
            ("0", Some(0)),
            ("64", None),
            ("MiB", None),
            ("-1 MiB", None),
            ("1 TiB", None),
            ("99999999999999999 GiB", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        let ok = |text, millis| assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
        ok("500ms", 500);
        ok("5s", 5_000);
        ok("2m", 120_000);
        ok("1h", 3_600_000);
        ok("1m30s", 90_000);
        ok("0", 0);
        ok(" 0s ", 0);
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5x",
            "25d",
            "5s3",
            "99999999999s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_need_a_unit() {
        let ok = |text, hours| assert_eq!(span(text), Ok(Duration::from_hours(hours)));
        ok("36h", 36);
        ok("30d", 30 * 24);
        ok("2w1d", 15 * 24);
        ok("1y", 365 * 24);
        for bad in ["", "7", "d", "1m", "-1d", "1.5d", "1001y", "9999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn compressions_have_levels() {
        assert_eq!(compression("zstd"), Ok(Compression::Zstd(1)));
        assert_eq!(compression("zstd:19"), Ok(Compression::Zstd(19)));
        assert_eq!(compression("gzip"), Ok(Compression::Gzip(2)));
        assert_eq!(compression("none"), Ok(Compression::None));
        for bad in ["", "zstd:0", "zstd:23", "gzip:10", "none:1", "lz4", "zstd:"] {
            assert!(compression(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn revisions_have_a_shape() {
        for good in [
            "0041",
            "head",
            "base",
            "+1",
            "-2",
            "0041_add_users",
            "20260101_120000",
        ] {
            assert!(revision(good).is_ok(), "{good}");
        }
        for bad in ["", "undo", "+", "-x", "HEAD~1", "--steps"] {
            assert!(revision(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn verdicts_in_any_case() {
        assert_eq!(verdict("loss_recoverable"), Ok(Verdict::LossRecoverable));
        assert!(verdict("fine").is_err());
    }
}
