//! Connection strings as libpq reads them: URLs and `key=value` lists become parameters.
//!
//! No error here shows any part of the string: it may hold a password anywhere.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Connection parameters by libpq's keyword.
pub(super) type Parameters = BTreeMap<String, String>;

/// The parameters of a `postgres://` URL or of a `key=value` list.
pub(super) fn parse(text: &str) -> Result<Parameters> {
    let text = text.trim();
    let rest = ["postgres://", "postgresql://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) => url(rest),
        None if text.contains("://") => Err(malformed("it has another scheme")
            .hint("the URL of a database starts with postgres:// or postgresql://")),
        None => list(text),
    }
}

fn malformed(why: &str) -> Error {
    Error::usage(format!("the database URL is malformed: {why}"))
        .hint("write postgres://user@host:5432/database?sslmode=verify-full")
        .hint("in user names and passwords, write @ : / ? # % as %40 %3A %2F %3F %23 %25")
}

/// The part of a URL after `://`.
fn url(rest: &str) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    // A fragment means nothing to PostgreSQL; a raw '#' is a forgotten %23.
    if rest.contains('#') {
        return Err(malformed("it has a '#'"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Passwords may hold a raw '@'; hosts may not.
    let (user, hosts) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    if let Some(user) = user {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        put(&mut parameters, "user", decode(name)?);
        put(&mut parameters, "password", decode(password)?);
    }
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = split_port(host)?;
        names.push(decode(name)?);
        ports.push(port.to_owned());
    }
    put(&mut parameters, "host", joined(&names));
    put(&mut parameters, "port", joined(&ports));
    put(&mut parameters, "dbname", decode(path)?);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| malformed("a parameter has no '='"))?;
        let (key, value) = (decode(key)?, decode(value)?);
        // JDBC's spelling, which libpq understands as well.
        if key == "ssl" && value == "true" {
            put(&mut parameters, "sslmode", "require".to_owned());
        } else {
            put(&mut parameters, &key, value);
        }
    }
    Ok(parameters)
}

/// Sets `key` unless the value is empty: an empty value means "the default" to libpq.
fn put(parameters: &mut Parameters, key: &str, value: String) {
    if !value.is_empty() {
        parameters.insert(key.to_owned(), value);
    }
}

/// A list joined by commas, or nothing when every part is empty.
fn joined(parts: &[String]) -> String {
    if parts.iter().all(String::is_empty) {
        String::new()
    } else {
        parts.join(",")
    }
}

/// `host`, `host:port` or `[v6]:port`.
fn split_port(host: &str) -> Result<(&str, &str)> {
    let Some(v6) = host.strip_prefix('[') else {
        return Ok(host.split_once(':').unwrap_or((host, "")));
    };
    let (address, rest) = v6
        .split_once(']')
        .ok_or_else(|| malformed("an IPv6 address has no ']'"))?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if rest.is_empty() => Ok((address, "")),
        None => Err(malformed("something stands between ']' and the port")),
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            rest.next()
                .and_then(|b| char::from(b).to_digit(16))
                .ok_or_else(|| malformed("a '%' is not followed by two hex digits"))
        };
        let byte = digit()? * 16 + digit()?;
        bytes.push(byte as u8);
    }
    if bytes.contains(&0) {
        return Err(malformed("it holds a zero byte"));
    }
    String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8 once decoded"))
}

/// `key = value` pairs; values may stand in single quotes, with backslash escapes.
fn list(text: &str) -> Result<Parameters> {
    let bad = |why: &str| malformed(why).hint("or write host=… dbname=… user=…");
    let mut parameters = Parameters::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(parameters);
        }
        let mut key = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_whitespace() && *c != '=') {
            key.push(c);
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if key.is_empty() || rest.next() != Some('=') {
            return Err(bad("it is neither a URL nor a list of key=value"));
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = rest.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match rest.next_if(|c| quoted || !c.is_whitespace()) {
                Some('\'') if quoted => break,
                Some('\\') => value.extend(rest.next()),
                Some(c) => value.push(c),
                None if quoted => return Err(bad("a quote is not closed")),
                None => break,
            }
        }
        put(&mut parameters, &key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Parameters = expected
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(parse(text).unwrap(), expected, "{text}");
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        check("postgres://", &[]);
        check("postgresql://h", &[("host", "h")]);
        check(
            "postgres://u%40x:p%2Fw@h:5433/d%20b?sslmode=require",
            &[
                ("user", "u@x"),
                ("password", "p/w"),
                ("host", "h"),
                ("port", "5433"),
                ("dbname", "d b"),
                ("sslmode", "require"),
            ],
        );
        check(
            "postgres://a:1,b,[::1]:3/d",
            &[("host", "a,b,::1"), ("port", "1,,3"), ("dbname", "d")],
        );
        check(
            "postgres:///d?host=/var/run/x&user=me&ssl=true",
            &[
                ("host", "/var/run/x"),
                ("dbname", "d"),
                ("user", "me"),
                ("sslmode", "require"),
            ],
        );
        check(
            "postgres://%2Ftmp%2Fsock/d",
            &[("host", "/tmp/sock"), ("dbname", "d")],
        );
        check(
            "postgres://u:p@ss@h/d",
            &[
                ("user", "u"),
                ("password", "p@ss"),
                ("host", "h"),
                ("dbname", "d"),
            ],
        );
    }

    #[test]
    fn lists_are_read_as_libpq_reads_them() {
        check("", &[]);
        check(
            r"host=/tmp dbname = 'it\'s \\' user=a\ b password=''",
            &[("host", "/tmp"), ("dbname", r"it's \"), ("user", "a b")],
        );
    }

    #[test]
    fn errors_show_nothing_of_the_string() {
        for bad in [
            "postgres://u:hunter2%zz@h/d",
            "postgres://u:hunter2#@h/d",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@[::1/d",
            "postgres://u:hunter2@h/d?hunter2",
            "password='hunter2",
            "hunter2",
            "postgres://u:hunter2%FF@h/d",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{bad}");
        }
    }
}
