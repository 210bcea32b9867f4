//! What the name of a migration's file says.
//!
//! `<version>_<name>.sql` beside `<version>_<name>_rollback.sql`, or `<version>_<name>.up.sql`
//! beside `<version>_<name>.down.sql`. A version is digits, or `YYYYMMDD_HHMMSS`.

use crate::ident::Revision;

/// How a folder tells the way back from the way forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `x.sql` and `x_rollback.sql`.
    Rollback,
    /// `x.up.sql` and `x.down.sql`.
    UpDown,
}

/// The parts of a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    /// The version.
    pub revision: Revision,
    /// The rest, without suffixes; may be empty.
    pub name: String,
    /// Whether this is the way back.
    pub down: bool,
    /// Which of the two layouts.
    pub style: Style,
}

/// The parts of `file`, a name that ends in `.sql`. `None` when it isn't a migration's.
pub(super) fn parse(file: &str) -> Option<FileName> {
    let stem = file.strip_suffix(".sql")?;
    let (stem, down, style) = if let Some(stem) = stem.strip_suffix(".up") {
        (stem, false, Style::UpDown)
    } else if let Some(stem) = stem.strip_suffix(".down") {
        (stem, true, Style::UpDown)
    } else if let Some(stem) = stem.strip_suffix("_rollback") {
        (stem, true, Style::Rollback)
    } else {
        (stem, false, Style::Rollback)
    };
    let (revision, name) = split(stem)?;
    Some(FileName {
        revision,
        name: name.to_owned(),
        down,
        style,
    })
}

/// The version and the name in `version_name`.
pub(super) fn split(stem: &str) -> Option<(Revision, &str)> {
    let (version, name) = at_version_end(stem);
    let name = match name.strip_prefix('_') {
        Some("") => return None,
        Some(name) => name,
        None if name.is_empty() => name,
        None => return None,
    };
    Some((version.parse().ok()?, name))
}

/// `stem` split after its version.
fn at_version_end(stem: &str) -> (&str, &str) {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(stem);
    if first == 8
        && let Some(time) = stem[first..].strip_prefix('_')
        && digits(time) == 6
        && matches!(time.as_bytes().get(6), None | Some(b'_'))
    {
        return stem.split_at(15);
    }
    stem.split_at(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let check = |file: &str, expected: &str| {
            let shown = parse(file).map_or("none".to_owned(), |f| {
                format!("{} {} {} {:?}", f.revision, f.name, f.down, f.style)
            });
            assert_eq!(shown, expected, "{file}");
        };
        check("0001_add_x.sql", "0001 add_x false Rollback");
        check("0001_add_x_rollback.sql", "0001 add_x true Rollback");
        check("0001_add_x.up.sql", "0001 add_x false UpDown");
        check("0001_add_x.down.sql", "0001 add_x true UpDown");
        check("0001_2fa_tokens.sql", "0001 2fa_tokens false Rollback");
        check(
            "20260101_120000_add_x.sql",
            "20260101_120000 add_x false Rollback",
        );
        check("20260101_120000.sql", "20260101_120000  false Rollback");
        check(
            "20260101_120000_rollback.sql",
            "20260101_120000  true Rollback",
        );
        check("20260101_2fa.sql", "20260101 2fa false Rollback");
        check(
            "20260101_1200001_x.sql",
            "20260101 1200001_x false Rollback",
        );
        check("20260101120000_x.sql", "20260101120000 x false Rollback");
        check("7.sql", "7  false Rollback");
        for bad in [
            "x.sql", "_1.sql", "1_.sql", "1x.sql", "1-x.sql", ".sql", "é.sql", "1",
        ] {
            check(bad, "none");
        }
    }
}
