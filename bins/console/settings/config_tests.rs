use super::*;

fn parse(text: &str) -> Result<Config> {
    let place = Place {
        folder: Path::new("/srv/app"),
        home: Some(Path::new("/home/ann")),
    };
    Config::parse(text, &place)
}

fn complaint(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind().exit_code(), 2);
    error.to_string()
}

#[test]
fn reads_every_key() {
    let config = parse(
        r#"
        database_url = "postgres://h/d"
        migrations = "db"
        backups = "s3://bucket/x"
        recipients = ["age1x"]
        identities = ["~/id.txt"]
        signing_key = "~/.ssh/backups"
        allowed_signers = "signers"
        lock_timeout = "2s"
        statement_timeout = 0
        compression = "gzip:6"
        default_env = "dev"
        production = ["prod_*"]
        [env.dev]
        backups = "out"
        production = false
        [databases.shop]
        url = "postgres://h/shop"
        "#,
    )
    .unwrap();
    assert_eq!(config.base.migrations, Some("/srv/app/db".into()));
    assert_eq!(config.base.backups.as_deref(), Some("s3://bucket/x"));
    assert_eq!(
        config.base.identities,
        Some(vec!["/home/ann/id.txt".into()])
    );
    assert_eq!(
        config.base.signing_key,
        Some("/home/ann/.ssh/backups".into())
    );
    assert_eq!(config.base.allowed_signers, Some("/srv/app/signers".into()));
    assert_eq!(config.base.statement_timeout, Some(Duration::ZERO));
    assert_eq!(config.envs["dev"].backups.as_deref(), Some("/srv/app/out"));
    assert_eq!(config.envs["dev"].production, Some(Production::Is(false)));
    assert!(config.databases.contains_key("shop"));
}

#[test]
fn complaints_name_the_key_and_show_no_value() {
    assert_eq!(
        complaint("database_ur = 'postgres://u:pw@h/d'"),
        "unknown key 'database_ur'"
    );
    assert_eq!(
        complaint("[env.x]\ndefault_env = 'y'"),
        "unknown key 'env.x.default_env'"
    );
    assert_eq!(
        complaint("[databases.x]\nurl = 'a'\nuser = 'b'"),
        "unknown key 'databases.x.user'"
    );
    assert_eq!(
        complaint("production = 'secret'"),
        "'production' is not a list of strings"
    );
    assert_eq!(
        complaint("a = 1\nb = postgres://u:pw@h/d"),
        "line 2 is not TOML"
    );
    assert!(complaint("wait = '5'").starts_with("'wait' can't be used"));
    assert!(complaint("wait = 5").starts_with("'wait' is not a string"));
}
