//! COPY rows in binary form, made of rows in text form.
//!
//! Backups hold text, which any tool and any version can read. But having the server parse it is
//! what a restore spends most of its time on; the same values in binary form cost it two thirds of
//! that. Only types and spellings of which there is no doubt are taken; [`rows`] stops before all
//! else, so that the server reads that itself. Source of the forms: the `*send` and `*recv`
//! functions of PostgreSQL's `src/backend/utils/adt`, which don't change between versions.

mod number;
#[cfg(test)]
mod tests;
mod time;

use std::collections::HashMap;

use memchr::memchr;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Result;
use crate::pg::query;

/// What comes before the first row.
pub const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What comes after the last row.
pub const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The length of a null value.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One byte.
    Bool,
    /// Two bytes.
    Int2,
    /// Four bytes.
    Int4,
    /// Eight bytes.
    Int8,
    /// IEEE 754, four bytes.
    Float4,
    /// IEEE 754, eight bytes.
    Float8,
    /// Groups of four decimal digits.
    Numeric,
    /// Its text: also JSON and the labels of enums.
    Text,
    /// Its text behind a version.
    Jsonb,
    /// The bytes.
    Bytea,
    /// Sixteen bytes.
    Uuid,
    /// Days since 2000.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 2000.
    Timestamp,
    /// Microseconds since 2000 in UTC.
    Timestamptz,
}

impl Form {
    /// The form of the type with this number in the catalog.
    fn of(oid: u32, is_enum: bool) -> Option<Self> {
        if is_enum {
            return Some(Self::Text);
        }
        Some(match Type::from_oid(oid)? {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::JSON => Self::Text,
            Type::JSONB => Self::Jsonb,
            Type::BYTEA => Self::Bytea,
            Type::UUID => Self::Uuid,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::Timestamptz,
            _ => return None,
        })
    }
}

/// The forms of a table's columns, by name. Those that only the server can read are left out.
pub type Forms = HashMap<String, Form>;

/// The forms of the columns of `tables`, quoted names, in the same order.
pub async fn forms(client: &Client, tables: &[String]) -> Result<Vec<Forms>> {
    let sql = "SELECT w.place, a.attname::pg_catalog.text, a.atttypid, t.typtype = 'e' \
               FROM pg_catalog.unnest($1) WITH ORDINALITY AS w (name, place) \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = pg_catalog.to_regclass(w.name) \
               JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
               WHERE a.attnum > 0 AND NOT a.attisdropped";
    let params: [(&(dyn ToSql + Sync), Type); 1] = [(&tables, Type::TEXT_ARRAY)];
    let mut forms = vec![Forms::new(); tables.len()];
    for row in query::rows(client, "the types of columns", sql, &params).await? {
        let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        let form = Form::of(row.get(2), row.get(3));
        if let (Some(form), Some(of)) = (form, forms.get_mut(place)) {
            of.insert(row.get(1), form);
        }
    }
    Ok(forms)
}

/// Appends the binary form of the whole rows that `text` begins with, up to the first of which it
/// isn't certain. Returns how many bytes of `text` that were.
pub fn rows(forms: &[Form], text: &[u8], out: &mut Vec<u8>) -> usize {
    let Ok(count) = i16::try_from(forms.len()) else {
        return 0;
    };
    let mut done = 0;
    let mut plain = Vec::new();
    while let Some(end) = memchr(b'\n', &text[done..]) {
        let begin = out.len();
        out.extend_from_slice(&count.to_be_bytes());
        if row(forms, &text[done..done + end], &mut plain, out).is_none() {
            out.truncate(begin);
            break;
        }
        done += end + 1;
    }
    done
}

fn row(forms: &[Form], line: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Option<()> {
    let special = memchr(b'\\', line).is_some();
    let mut rest = Some(line);
    for form in forms {
        let line = rest?;
        let (value, after) = match memchr(b'\t', line) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        rest = after;
        if special && value == b"\\N" {
            out.extend_from_slice(&NULL);
            continue;
        }
        let size = out.len();
        out.extend_from_slice(&[0; 4]);
        if special && memchr(b'\\', value).is_some() {
            unescape(value, plain)?;
            put(*form, plain, out)?;
        } else {
            put(*form, value, out)?;
        }
        let length = i32::try_from(out.len() - size - 4).ok()?;
        out[size..size + 4].copy_from_slice(&length.to_be_bytes());
    }
    rest.is_none().then_some(())
}

/// Appends the value that `text` spells; `None` when that isn't certain.
fn put(form: Form, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match form {
        Form::Bool => out.push(match text {
            b"t" => 1,
            b"f" => 0,
            _ => return None,
        }),
        Form::Int2 => out.extend_from_slice(&i16::try_from(number::int(text)?).ok()?.to_be_bytes()),
        Form::Int4 => out.extend_from_slice(&i32::try_from(number::int(text)?).ok()?.to_be_bytes()),
        Form::Int8 => out.extend_from_slice(&number::int(text)?.to_be_bytes()),
        Form::Float4 => {
            let value: f32 = std::str::from_utf8(text).ok()?.parse().ok()?;
            (value.is_normal() || text == b"0").then_some(())?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        Form::Float8 => {
            let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            (value.is_normal() || text == b"0").then_some(())?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        Form::Numeric => number::numeric(text, out)?,
        Form::Text => out.extend_from_slice(text),
        Form::Jsonb => {
            out.push(1);
            out.extend_from_slice(text);
        }
        Form::Bytea => {
            let hex = text.strip_prefix(b"\\x")?;
            hex_digits(hex, out)?;
        }
        Form::Uuid => uuid(text, out)?,
        Form::Date => {
            let (days, rest) = time::date(text)?;
            rest.is_empty().then_some(())?;
            out.extend_from_slice(&i32::try_from(days).ok()?.to_be_bytes());
        }
        Form::Time => {
            let (micros, rest) = time::time(text)?;
            rest.is_empty().then_some(())?;
            out.extend_from_slice(&micros.to_be_bytes());
        }
        Form::Timestamp => {
            let (micros, rest) = time::timestamp(text)?;
            rest.is_empty().then_some(())?;
            out.extend_from_slice(&micros.to_be_bytes());
        }
        Form::Timestamptz => {
            let (micros, rest) = time::timestamp(text)?;
            let micros = micros.checked_sub(time::offset(rest)?)?;
            out.extend_from_slice(&micros.to_be_bytes());
        }
    }
    Some(())
}

/// Takes back what COPY does to special characters.
fn unescape(value: &[u8], plain: &mut Vec<u8>) -> Option<()> {
    plain.clear();
    let mut rest = value;
    while let Some(at) = memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..at]);
        plain.push(match rest.get(at + 1)? {
            b'\\' => b'\\',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            _ => return None,
        });
        rest = &rest[at + 2..];
    }
    plain.extend_from_slice(rest);
    Some(())
}

fn hex_digits(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let mut all = 0;
    out.extend(text.chunks_exact(2).map(|pair| {
        let (high, low) = (nibble(pair[0]), nibble(pair[1]));
        all |= high | low;
        high << 4 | low
    }));
    (all < 16).then_some(())
}

/// The value of a hexadecimal digit; more than 15 for all else.
const fn nibble(byte: u8) -> u8 {
    const VALUES: [u8; 256] = {
        let mut values = [0xff; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value] as usize] = value as u8;
            values[b"0123456789ABCDEF"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    VALUES[byte as usize]
}

fn uuid(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut bytes = [0; 16];
    let (mut at, mut all) = (0, 0);
    for (number, byte) in bytes.iter_mut().enumerate() {
        if matches!(number, 4 | 6 | 8 | 10) {
            (text[at] == b'-').then_some(())?;
            at += 1;
        }
        let (high, low) = (nibble(text[at]), nibble(text[at + 1]));
        all |= high | low;
        *byte = high << 4 | low;
        at += 2;
    }
    (all < 16).then_some(())?;
    out.extend_from_slice(&bytes);
    Some(())
}
