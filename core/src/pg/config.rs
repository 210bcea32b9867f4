//! From a URL, libpq's variables, services and password files to one set of options.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::secret::Secret;

use super::conninfo;
use super::conninfo::Parameters;
use super::options::{ConnectOptions, Host, LibpqEnvironment, SslMode};
use super::passfile;

/// How long a connection attempt may take when nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The options that `url` (a URL or a `key=value` list) asks for, completed as libpq does:
/// service file, environment, password file, defaults.
pub fn resolve(url: Option<&Secret>, env: &LibpqEnvironment) -> Result<ConnectOptions> {
    let url = url.filter(|url| !url.reveal().trim().is_empty());
    let mut parameters = match url {
        Some(url) => conninfo::parse(url.reveal())?,
        None if set(env.host.as_ref()).is_none()
            && set(env.database.as_ref()).is_none()
            && set(env.service.as_ref()).is_none() =>
        {
            return Err(Error::usage("no database was named")
                .hint("pass --database-url postgres://user@host/database, or set DATABASE_URL")
                .hint("libpq's variables work too: PGHOST, PGDATABASE, PGSERVICE"));
        }
        None => Parameters::new(),
    };
    let service = parameters
        .remove("service")
        .or_else(|| set(env.service.as_ref()));
    if let Some(service) = service {
        let found = passfile::service(env.service_file.as_deref(), &service)?;
        complete(&mut parameters, found);
    }
    complete(&mut parameters, from_environment(env));
    options(parameters, env)
}

/// `value`, when it is set to something.
fn set(value: Option<&String>) -> Option<String> {
    value.filter(|text| !text.is_empty()).cloned()
}

/// Adds what `parameters` does not say yet.
fn complete(parameters: &mut Parameters, more: Parameters) {
    for (key, value) in more {
        parameters.entry(key).or_insert(value);
    }
}

fn from_environment(env: &LibpqEnvironment) -> Parameters {
    let password = env.password.as_ref().map(|p| p.reveal().to_owned());
    [
        ("host", env.host.clone()),
        ("port", env.port.clone()),
        ("user", env.user.clone()),
        ("password", password),
        ("dbname", env.database.clone()),
        ("sslmode", env.ssl_mode.clone()),
        ("sslrootcert", env.ssl_root_cert.clone()),
    ]
    .into_iter()
    .filter_map(|(key, value)| set(value.as_ref()).map(|value| (key.to_owned(), value)))
    .collect()
}

fn options(mut parameters: Parameters, env: &LibpqEnvironment) -> Result<ConnectOptions> {
    let mut take = |key: &str| parameters.remove(key);
    let user = take("user")
        .or_else(|| set(env.os_user.as_ref()))
        .ok_or_else(|| {
            Error::usage("no database user was named")
                .hint("name one in --database-url, or set PGUSER")
        })?;
    let database = take("dbname").unwrap_or_else(|| user.clone());
    let root = take("sslrootcert");
    let mut ssl_mode = match take("sslmode") {
        Some(word) => mode(&word)?,
        None => SslMode::default(),
    };
    // As libpq: trusting the system's roots makes no sense without checking the name.
    if root.as_deref() == Some("system") {
        ssl_mode = SslMode::VerifyFull;
    }
    let hosts = hosts(
        take("host"),
        take("hostaddr"),
        take("port").as_deref(),
        ssl_mode,
    )?;
    let ssl_client = match (take("sslcert"), take("sslkey")) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        _ => {
            return Err(Error::usage(
                "a client certificate needs both sslcert and sslkey",
            ));
        }
    };
    let named = take("passfile").map(PathBuf::from);
    let password = match (take("password"), named.as_ref().or(env.pass_file.as_ref())) {
        (Some(password), _) => Some(Secret::new(password)),
        (None, Some(path)) => passfile::password(path, &hosts, &database, &user)?,
        (None, None) => None,
    };
    let connect_timeout = match take("connect_timeout") {
        None => CONNECT_TIMEOUT,
        Some(text) => match text.parse::<i64>() {
            // libpq: zero and less mean "for ever"; a day is as good, and can be added to a clock.
            Ok(seconds) if seconds <= 0 => Duration::from_hours(24),
            Ok(seconds) => Duration::from_secs(seconds.clamp(2, 86_400) as u64),
            Err(_) => return Err(Error::usage("connect_timeout is not a number of seconds")),
        },
    };
    let search_path = take("search_path");
    let options = take("options");
    // Parameters of other tools and drivers are harmless; a misspelt `sslmode` is not.
    let ignored = ["sslcompression", "sslsni", "sslnegotiation", "sslcrl"];
    if parameters
        .keys()
        .any(|key| key.starts_with("ssl") && !ignored.contains(&key.as_str()))
    {
        return Err(
            Error::usage("the database URL has an ssl parameter that is not known").hint(
                "known are sslmode, sslrootcert, sslcert and sslkey; keys may not be encrypted",
            ),
        );
    }
    Ok(ConnectOptions {
        hosts,
        settled: Arc::default(),
        user,
        password,
        database,
        ssl_mode,
        ssl_root_cert: root.filter(|root| root != "system").map(PathBuf::from),
        ssl_client,
        options,
        search_path,
        connect_timeout,
    })
}

fn mode(word: &str) -> Result<SslMode> {
    Ok(match word {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(Error::usage("sslmode has a value that is not known")
                .hint("use disable, allow, prefer, require, verify-ca or verify-full"));
        }
    })
}

/// Hosts and ports, paired. `hostaddr` wins over `host`, which then only names a certificate.
fn hosts(
    host: Option<String>,
    address: Option<String>,
    port: Option<&str>,
    mode: SslMode,
) -> Result<Vec<Host>> {
    if host.is_some() && address.is_some() && mode == SslMode::VerifyFull {
        return Err(Error::usage(
            "host and hostaddr together can't be used with sslmode=verify-full",
        )
        .hint("leave out hostaddr, so that the name of the host can be checked"));
    }
    let names = address.or(host).unwrap_or_default();
    let names: Vec<&str> = names.split(',').collect();
    let ports: Vec<&str> = port.unwrap_or_default().split(',').collect();
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(Error::usage("there must be one port, or one for each host"));
    }
    names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let port = match *ports.get(i).unwrap_or(&ports[0]) {
                "" => 5432,
                text => text
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| Error::usage("the database's port is not a port number"))?,
            };
            let name = if name.is_empty() {
                passfile::SOCKET_FOLDER
            } else {
                name
            };
            Ok(Host {
                name: name.to_owned(),
                address: None,
                port,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> LibpqEnvironment {
        LibpqEnvironment {
            os_user: Some("me".to_owned()),
            ..LibpqEnvironment::default()
        }
    }

    fn at(url: &str) -> Result<ConnectOptions> {
        resolve(Some(&Secret::new(url)), &env())
    }

    #[test]
    fn nothing_named_is_a_usage_error_that_names_the_flag() {
        let error = resolve(None, &env()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Usage);
        assert!(error.hints()[0].contains("--database-url"));
    }

    #[test]
    fn defaults_are_those_of_libpq() {
        let options = at("postgres://").unwrap();
        assert_eq!(options.hosts[0].name, "/var/run/postgresql");
        assert_eq!(options.hosts[0].port, 5432);
        assert_eq!(options.user, "me");
        assert_eq!(options.database, "me");
        assert_eq!(options.ssl_mode, SslMode::Prefer);
    }

    #[test]
    fn the_environment_fills_what_the_url_leaves_open() {
        let mut env = env();
        env.host = Some("h".to_owned());
        env.port = Some("1".to_owned());
        env.password = Some(Secret::new("p"));
        env.ssl_mode = Some("require".to_owned());
        let url = Secret::new("postgres://x@:2/d?sslmode=verify-ca");
        let options = resolve(Some(&url), &env).unwrap();
        assert_eq!(options.hosts[0].name, "h");
        assert_eq!(options.hosts[0].port, 2);
        assert_eq!(options.ssl_mode, SslMode::VerifyCa);
        assert_eq!(options.password.unwrap().reveal(), "p");
    }

    #[test]
    fn hosts_and_ports_are_paired() {
        let options = at("postgres://a:1,b/d").unwrap();
        let pairs: Vec<(&str, u16)> = options
            .hosts
            .iter()
            .map(|h| (h.name.as_str(), h.port))
            .collect();
        assert_eq!(pairs, [("a", 1), ("b", 5432)]);
        assert_eq!(at("host=a,b port=7").unwrap().hosts[1].port, 7);
        for bad in ["host=a,b,c port=1,2", "host=a port=x", "host=a port=0"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_ssl_parameter_is_refused_and_others_tools_words_are_not() {
        assert!(at("postgres://h/d?sslmod=verify-full").is_err());
        assert!(at("postgres://h/d?sslmode=verify").is_err());
        let options = at("postgres://h/d?schema=x&search_path=a,b&connect_timeout=1").unwrap();
        assert_eq!(options.search_path.as_deref(), Some("a,b"));
        assert_eq!(options.connect_timeout, Duration::from_secs(2));
        let system = at("postgres://h/d?sslrootcert=system").unwrap();
        assert_eq!(system.ssl_mode, SslMode::VerifyFull);
        assert!(system.ssl_root_cert.is_none());
    }
}
