//! The database that a command works on, as every plan, question and report names it.

use pgbelay_core::pg::options::ConnectOptions;
use serde::Serialize;

use crate::text::safe;

/// Where a command works.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The `[env.NAME]` table in use.
    pub environment: Option<String>,
    /// How to connect; `None` where no database is asked.
    pub options: Option<ConnectOptions>,
    /// What named the database.
    pub source: String,
}

/// The target for machines.
#[derive(Debug, Clone, Serialize)]
pub struct Wire {
    environment: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    database_source: Option<String>,
}

impl Target {
    /// For machines. The host is the one that answered, once one did.
    pub fn wire(&self) -> Wire {
        let options = self.options.as_ref();
        let hosts = options.map(ConnectOptions::places).unwrap_or_default();
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        Wire {
            environment: self.environment.clone(),
            host: options.map(|_| names.join(",")),
            port: hosts.first().map(|host| host.port),
            database: options.map(|options| options.database.clone()),
            database_source: options.map(|_| self.source.clone()),
        }
    }

    /// `database shop at db.internal (environment staging)`, fit to be shown; empty where no database
    /// is asked.
    pub fn words(&self) -> String {
        let Some(options) = &self.options else {
            return String::new();
        };
        let environment = self.environment.as_deref();
        let environment = environment.map(|name| format!(" (environment {})", safe(name)));
        format!(
            "database {} at {}{}",
            safe(&options.database),
            safe(&options.place()),
            environment.unwrap_or_default()
        )
    }

    /// As [`words`](Self::words), with what named it.
    pub fn announcement(&self) -> String {
        format!("{}, named by {}", self.words(), safe(&self.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgbelay_core::model::secret::Secret;
    use pgbelay_core::pg::config;
    use pgbelay_core::pg::options::LibpqEnvironment;

    #[test]
    fn it_is_named_without_its_password() {
        let url = Secret::new("postgres://u:pw@a:5433,b/shop");
        let options = config::resolve(Some(&url), &LibpqEnvironment::default()).unwrap();
        let target = Target {
            environment: Some("staging".to_owned()),
            options: Some(options),
            source: "--env staging".to_owned(),
        };
        assert_eq!(
            target.announcement(),
            "database shop at a:5433,b (environment staging), named by --env staging"
        );
        let wire = serde_json::to_value(target.wire()).unwrap();
        assert_eq!(
            wire,
            serde_json::json!({
                "environment": "staging",
                "host": "a,b",
                "port": 5433,
                "database": "shop",
                "database_source": "--env staging",
            })
        );
    }
}
