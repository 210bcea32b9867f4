//! Flyway's names: `V1.2__add_x.sql`, `U1.2__add_x.sql`, `R__views.sql`.

use std::fs;
use std::path::Path;

use crate::ident::Revision;
use crate::model::migration::Script;
use crate::source::part;
use crate::source::part::Part;

/// What the name of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// A migration, or the way back from it.
    Versioned {
        /// The version, its parts divided by dots.
        revision: Revision,
        /// The description, as written.
        name: String,
        /// `U`: the way back.
        down: bool,
    },
    /// `R`: runs again whenever it was changed.
    Repeatable(String),
    /// `B`: stands for all migrations up to its version.
    Baseline,
}

/// The parts of `file`; `None` when it is no migration's.
pub(super) fn parse(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let (head, name) = stem.split_once("__")?;
    let mut chars = head.chars();
    let prefix = chars.next()?;
    let version = chars.as_str().replace('_', ".");
    match (prefix, version.as_str()) {
        ('R', "") => Some(Name::Repeatable(name.to_owned())),
        ('B', _) => version.parse::<Revision>().ok().map(|_| Name::Baseline),
        ('V' | 'U', _) => Some(Name::Versioned {
            revision: version.parse().ok()?,
            name: name.to_owned(),
            down: prefix == 'U',
        }),
        _ => None,
    }
}

/// The part in `file` at `path`; none for a repeatable script. A problem in words.
pub(super) fn parts(path: &Path, file: &str, script: Script) -> Result<Vec<Part>, String> {
    let shown = &script.path;
    let (revision, name, down) = match parse(file) {
        Some(Name::Versioned {
            revision,
            name,
            down,
        }) => (revision, name, down),
        // Those are read by whoever runs them again.
        Some(Name::Repeatable(_)) => return Ok(Vec::new()),
        Some(Name::Baseline) => {
            return Err(format!(
                "'{shown}' is a baseline migration, which only Flyway can run"
            ));
        }
        None => return Err(format!("'{shown}' is not named as Flyway names migrations")),
    };
    if let Some(why) = beyond(&script.text) {
        return Err(format!("'{shown}': {why}"));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".conf");
    let conf = fs::read_to_string(beside).unwrap_or_default();
    Ok(vec![Part {
        revision,
        name,
        down,
        no_transaction: outside(&conf) || part::stands_alone(&script.text),
        script,
    }])
}

/// True when `conf`, the file beside a migration, keeps it out of a transaction.
fn outside(conf: &str) -> bool {
    conf.lines().any(|line| {
        let pair = line
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()));
        pair == Some(("executeInTransaction", "false"))
    })
}

/// Why only Flyway can run a script.
pub(super) fn beyond(text: &str) -> Option<&'static str> {
    text.contains("${")
        .then_some("it has placeholders (${…}), which only Flyway can fill")
}

/// Flyway's checksum of a text: CRC-32 (as in zlib) over its lines without their ends.
pub(super) fn checksum(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut crc = !0_u32;
    for byte in text.lines().flat_map(str::bytes) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc = (crc >> 1) ^ (0xedb8_8320 * low);
        }
    }
    (!crc).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let check = |file: &str, expected: &str| {
            let shown = match parse(file) {
                None => "none".to_owned(),
                Some(Name::Baseline) => "baseline".to_owned(),
                Some(Name::Repeatable(name)) => format!("again {name}"),
                Some(Name::Versioned {
                    revision,
                    name,
                    down,
                }) => {
                    format!("{revision} {name} {down}")
                }
            };
            assert_eq!(shown, expected, "{file}");
        };
        check("V1__init.sql", "1 init false");
        check("V1_2.3__Add x.sql", "1.2.3 Add x false");
        check("U1__init.sql", "1 init true");
        check("R__views.sql", "again views");
        check("B7__all.sql", "baseline");
        for bad in [
            "V__x.sql",
            "V1_x.sql",
            "Vx__y.sql",
            "X1__y.sql",
            "V1__x.SQL",
            "R1__x.sql",
        ] {
            check(bad, "none");
        }
    }

    #[test]
    fn checksums_are_those_of_zlib() {
        assert_eq!(checksum("123456789"), 0xcbf4_3926_u32.cast_signed());
        assert_eq!(checksum("\u{feff}1234\r\n56789\n"), checksum("123456789"));
    }
}
