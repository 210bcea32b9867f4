//! What the facts mean.

use crate::clock::Timestamp;
use crate::model::fitness::Check;
use crate::pg::health::{Health, Holder};

/// The oldest server that rollbacks work on.
const OLDEST: i32 = 140_000;

/// A transaction that has been open for so many seconds will still be so when locks are wanted.
const LONG: f64 = 600.0;

/// A standby that lacks more of the log than this will be long in catching up.
const BEHIND: i64 = 64 << 20;

/// From this age of transaction numbers on, time gets short: they end at 2³¹.
const SHORT: i64 = 1_500_000_000;

/// Clocks may differ by so many milliseconds.
const APART: i64 = 5_000;

/// What the server itself says.
pub fn server(health: &Health) -> Vec<Check> {
    vec![
        version(health),
        standby(health),
        role(health),
        connection(health),
        settings(health),
        transactions(health),
        waiting(health),
        replication(health),
        wraparound(health),
        indexes(health),
    ]
}

fn version(health: &Health) -> Check {
    let version = &health.version;
    if health.version_num < OLDEST {
        return Check::red(
            "server",
            format!("PostgreSQL {version}"),
            "rollbacks need PostgreSQL 14 or newer",
        );
    }
    Check::green("server", format!("PostgreSQL {version}"))
}

fn standby(health: &Health) -> Check {
    if health.standby {
        let advice = "connect to the primary: a standby can't be changed";
        return Check::red("primary", "this is a standby", advice);
    }
    Check::green("primary", "this is the primary")
}

fn role(health: &Health) -> Check {
    let rights = &health.rights;
    if rights.superuser {
        return Check::green("role", "a superuser");
    }
    if rights.unreadable > 0 {
        let count = rights.unreadable;
        let found = format!("the role can't read {count} tables, so they can't be saved");
        return Check::red("role", found, "grant it pg_read_all_data");
    }
    if rights.unchangeable > 0 {
        let count = rights.unchangeable;
        let found = format!("{count} tables belong to roles that it isn't a member of");
        let advice = "only the owner of a table, or a member of that role, can change it";
        return Check::amber("role", found, advice);
    }
    if !rights.schemas {
        let found = "the role can't make schemas in this database";
        let advice = "GRANT CREATE ON DATABASE: the ledger is a schema of its own";
        return Check::amber("role", found, advice);
    }
    if !rights.databases {
        let found = "the role can't make databases";
        let advice = "ALTER ROLE … CREATEDB: for verify --level restored and round trips";
        return Check::amber("role", found, advice);
    }
    Check::green("role", "it owns, reads and makes what it needs to")
}

fn connection(health: &Health) -> Check {
    match health.encrypted {
        None => Check::green("tls", "a socket on this machine"),
        Some(true) => Check::green("tls", "the connection is encrypted"),
        Some(false) => Check::amber(
            "tls",
            "the connection is not encrypted: rows cross the network as they are",
            "sslmode=verify-full in the URL",
        ),
    }
}

fn settings(health: &Health) -> Check {
    let is =
        |name: &str, value: &str| (health.settings.iter()).any(|(n, v)| n == name && v == value);
    let worst = [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("zero_damaged_pages", "on"),
        ("ignore_checksum_failure", "on"),
    ];
    let found: Vec<String> = (worst.iter())
        .filter(|(name, value)| is(name, value))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if !found.is_empty() {
        let advice = "with that, a crash or a bad disk loses data without a word";
        return Check::red("settings", found.join(", "), advice);
    }
    if is("synchronous_commit", "off") {
        let advice = "a crash may lose what was committed last, the ledger's entries too";
        return Check::amber("settings", "synchronous_commit = off", advice);
    }
    Check::green("settings", "a crash loses nothing that was committed")
}

fn transactions(health: &Health) -> Check {
    let what = "transactions";
    if let Some(longest) = health.transactions.first() {
        let found = told("open", &health.transactions);
        let advice = "locks wait for their end; see to them first, or pick another time";
        return if longest.seconds >= LONG {
            Check::red(what, found, advice)
        } else {
            Check::amber(what, found, advice)
        };
    }
    if health.sees_others {
        return Check::green(what, "none has been open for long");
    }
    unseen(what)
}

fn waiting(health: &Health) -> Check {
    if !health.waiting.is_empty() {
        let found = told("waiting for locks", &health.waiting);
        let advice = "somebody holds what others want: a change would queue up behind them";
        return Check::amber("locks", found, advice);
    }
    if health.sees_others {
        return Check::green("locks", "nobody waits for one");
    }
    unseen("locks")
}

fn unseen(what: &'static str) -> Check {
    let found = "what other roles' sessions do can't be seen";
    Check::amber(what, found, "grant the role pg_read_all_stats")
}

fn told(doing: &str, holders: &[Holder]) -> String {
    let some: Vec<String> = (holders.iter().take(3))
        .map(|holder| {
            let name = match holder.application.as_str() {
                "" => String::new(),
                name => format!(" ({})", name.escape_debug()),
            };
            let (pid, seconds) = (holder.pid, lasting(holder.seconds));
            format!("pid {pid}{name}, {}, {seconds}", holder.state)
        })
        .collect();
    let more = holders.len().saturating_sub(some.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("{} {doing}: {}{more}", holders.len(), some.join("; "))
}

/// A length of time, in words.
pub fn lasting(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn replication(health: &Health) -> Check {
    let what = "replication";
    let mut late = Vec::new();
    let mut hidden = false;
    for replica in &health.replicas {
        hidden |= replica.active && replica.behind.is_none();
        let behind = replica.behind.unwrap_or_default();
        if behind > BEHIND || !replica.active {
            let unread = if replica.active {
                ""
            } else {
                ", and nobody reads from it"
            };
            let name = replica.name.escape_debug();
            late.push(format!("{name} is {} MiB behind{unread}", behind >> 20));
        }
    }
    if !late.is_empty() {
        let advice = "a change of many rows makes them later still, and keeps log on the disk";
        return Check::amber(what, late.join("; "), advice);
    }
    if hidden {
        return unseen(what);
    }
    let found = match health.replicas.len() {
        0 => "no standby".to_owned(),
        1 => "the standby keeps up".to_owned(),
        n => format!("{n} standbys keep up"),
    };
    Check::green(what, found)
}

fn wraparound(health: &Health) -> Check {
    let (age, forced) = health.age;
    let found = format!(
        "the oldest transaction number is {} million old",
        age / 1_000_000
    );
    if age >= SHORT {
        let advice = "VACUUM (FREEZE) before anything else: the server stops at 2,147 million";
        return Check::red("wraparound", found, advice);
    }
    if health.freezing > 0 {
        let running = format!(
            "{} vacuums to prevent wraparound are running",
            health.freezing
        );
        let advice = "they don't give way to locks: wait for their end";
        return Check::amber("wraparound", running, advice);
    }
    if age >= forced {
        let advice = "vacuums that don't give way to locks will begin at any time: VACUUM (FREEZE)";
        return Check::amber("wraparound", found, advice);
    }
    Check::green("wraparound", found)
}

fn indexes(health: &Health) -> Check {
    if health.invalid_indexes.is_empty() {
        return Check::green("indexes", "all are valid");
    }
    let names = health.invalid_indexes.join(", ");
    let advice = "REINDEX INDEX CONCURRENTLY, or DROP INDEX";
    Check::amber("indexes", format!("not valid: {names}"), advice)
}

/// Compares the server's clock with ours, read before and after.
pub fn clock(server: Timestamp, before: Timestamp, after: Timestamp) -> Check {
    let apart = if server < before {
        before - server
    } else if server > after {
        server - after
    } else {
        chrono::Duration::zero()
    };
    if apart.num_milliseconds() > APART {
        let found = format!("the server's clock is {} s off", apart.num_seconds());
        let advice = "ids of backups and the journal's times would mislead: see to NTP";
        return Check::amber("clock", found, advice);
    }
    Check::green("clock", "the server's agrees with that of this machine")
}

/// Compares the room for backups with the size of the database.
pub fn room(free: u64, database: u64) -> Check {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let found = format!("{} are free for a database of {}", mib(free), mib(database));
    let advice = "make room, or name another place with --backups";
    if free < database / 10 {
        Check::red("room", found, advice)
    } else if free < database {
        Check::amber("room", found, advice)
    } else {
        Check::green("room", found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::model::fitness::Light;
    use crate::pg::health::{Replica, Rights};

    fn healthy() -> Health {
        Health {
            database: "shop".to_owned(),
            version: "15.18".to_owned(),
            version_num: 150_018,
            standby: false,
            clock: clock::now(),
            bytes: 1 << 30,
            age: (1_000, 200_000_000),
            freezing: 0,
            settings: vec![("fsync".to_owned(), "on".to_owned())],
            encrypted: Some(true),
            rights: Rights {
                superuser: false,
                databases: true,
                schemas: true,
                unchangeable: 0,
                unreadable: 0,
            },
            sees_others: true,
            invalid_indexes: Vec::new(),
            transactions: Vec::new(),
            waiting: Vec::new(),
            replicas: Vec::new(),
        }
    }

    fn holder(seconds: f64) -> Vec<Holder> {
        vec![Holder {
            pid: 7,
            application: "report".to_owned(),
            state: "idle in transaction".to_owned(),
            seconds,
        }]
    }

    #[test]
    fn a_healthy_server_is_green() {
        let amber: Vec<Check> = (server(&healthy()).into_iter())
            .filter(|check| check.light != Light::Green)
            .collect();
        assert_eq!(amber, []);
    }

    #[test]
    fn everything_wrong_is_told_with_what_to_do() {
        type Break = fn(&mut Health);
        let cases: &[(&str, Light, Break)] = &[
            ("server", Light::Red, |h| h.version_num = 130_020),
            ("primary", Light::Red, |h| h.standby = true),
            ("role", Light::Red, |h| h.rights.unreadable = 1),
            ("role", Light::Amber, |h| h.rights.unchangeable = 1),
            ("role", Light::Amber, |h| h.rights.schemas = false),
            ("role", Light::Amber, |h| h.rights.databases = false),
            ("tls", Light::Amber, |h| h.encrypted = Some(false)),
            ("settings", Light::Red, |h| {
                h.settings[0].1 = "off".to_owned();
            }),
            ("transactions", Light::Amber, |h| {
                h.transactions = holder(61.0);
            }),
            ("transactions", Light::Red, |h| {
                h.transactions = holder(3601.0);
            }),
            ("transactions", Light::Amber, |h| h.sees_others = false),
            ("locks", Light::Amber, |h| h.waiting = holder(0.1)),
            ("locks", Light::Amber, |h| h.sees_others = false),
            ("wraparound", Light::Amber, |h| h.age.0 = 200_000_001),
            ("wraparound", Light::Amber, |h| h.freezing = 1),
            ("wraparound", Light::Red, |h| h.age.0 = 1_900_000_000),
            ("indexes", Light::Amber, |h| {
                h.invalid_indexes = vec!["a.b".to_owned()];
            }),
            ("replication", Light::Amber, |h| {
                h.replicas = vec![Replica {
                    name: "b".to_owned(),
                    active: true,
                    behind: Some(1 << 30),
                }];
            }),
            ("replication", Light::Amber, |h| {
                h.replicas = vec![Replica {
                    name: "gone".to_owned(),
                    active: false,
                    behind: Some(0),
                }];
            }),
            ("replication", Light::Amber, |h| {
                h.replicas = vec![Replica {
                    name: "b".to_owned(),
                    active: true,
                    behind: None,
                }];
            }),
        ];
        for (id, light, break_it) in cases {
            let mut health = healthy();
            break_it(&mut health);
            let checks = server(&health);
            let check = checks.iter().find(|c| c.id == *id).unwrap();
            assert_eq!(check.light, *light, "{check:?}");
            assert!(
                check.advice.as_ref().is_some_and(|a| !a.is_empty()),
                "{check:?}"
            );
        }
    }

    #[test]
    fn clocks_and_room_are_compared() {
        let now = clock::now();
        let later = now + chrono::Duration::seconds(1);
        assert_eq!(clock(now, now, later).light, Light::Green);
        let off = now + chrono::Duration::seconds(60);
        assert_eq!(clock(off, now, later).light, Light::Amber);
        assert_eq!(clock(now, off, off).light, Light::Amber);
        let lights = [(5, 100), (50, 100), (100, 100)].map(|(free, size)| room(free, size).light);
        assert_eq!(lights, [Light::Red, Light::Amber, Light::Green]);
        assert_eq!(lasting(119.9), "119 s");
        assert_eq!(lasting(7_199.0), "119 min");
        assert_eq!(lasting(200_000.0), "2 days");
    }
}
