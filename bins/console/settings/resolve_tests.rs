use std::path::Path;

use pgbelay_core::model::secret::Secret;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("console-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        Self(path)
    }

    fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let owned = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Environment::of(owned, self.0.clone())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn url(settings: &Settings) -> &str {
    settings.database.url.as_ref().map_or("", Secret::reveal)
}

#[test]
fn flag_then_environment_then_dotenv_then_config_then_default() {
    let folder = Folder::new(
        "order",
        &[
            (
                ".env",
                "PGBELAY_BACKUPS=dotenv\nPGBELAY_MIGRATIONS=dotenv\nPGBELAY_WAIT=3s\n",
            ),
            (
                "pgbelay.toml",
                "wait = '4s'\nbackups = 'toml'\nlock_timeout = '2s'\ndatabase_url = 'toml'\n",
            ),
        ],
    );
    let environment = folder.environment(&[("PGBELAY_MIGRATIONS", "real")]);
    let mut shared = Shared {
        wait: Some(Duration::from_secs(1)),
        ..Shared::default()
    };
    let settings = Settings::resolve(&shared, &environment).unwrap();
    assert_eq!(settings.wait, Duration::from_secs(1));
    assert_eq!(settings.migrations, Path::new("real"));
    assert_eq!(settings.backups.place, "dotenv");
    assert_eq!(settings.lock_timeout, Duration::from_secs(2));
    assert_eq!(settings.statement_timeout, None);
    assert_eq!(url(&settings), "toml");
    shared.wait = None;
    let settings = Settings::resolve(&shared, &environment).unwrap();
    assert_eq!(settings.wait, Duration::from_secs(3));
}

#[test]
fn an_empty_variable_is_unset_and_hides_dotenv() {
    let folder = Folder::new("empty", &[(".env", "DATABASE_URL=dotenv\n")]);
    let settings = |variables: &[(&str, &str)]| {
        Settings::resolve(&Shared::default(), &folder.environment(variables)).unwrap()
    };
    assert_eq!(url(&settings(&[])), "dotenv");
    assert_eq!(url(&settings(&[("DATABASE_URL", "")])), "");
}

#[test]
fn env_tables_overlay_the_top_level() {
    let toml = "wait='1s'\nlock_timeout='1s'\ndefault_env='dev'\n[env.dev]\nwait='2s'\n\
                [env.live]\nproduction=true\n[databases.shop]\nurl='shop'\n";
    let folder = Folder::new("tables", &[("pgbelay.toml", toml)]);
    let environment = folder.environment(&[("DATABASE_URL", "real")]);
    let with = |change: fn(&mut Shared)| {
        let mut shared = Shared::default();
        change(&mut shared);
        Settings::resolve(&shared, &environment)
    };
    let dev = with(|_| ()).unwrap();
    assert_eq!(dev.wait, Duration::from_secs(2));
    assert_eq!(dev.lock_timeout, Duration::from_secs(1));
    assert!(!dev.is_production("x"));
    assert!(
        with(|s| s.env = Some("live".into()))
            .unwrap()
            .is_production("x")
    );
    assert!(
        with(|s| s.env = Some("prod".into()))
            .unwrap()
            .is_production("x")
    );
    assert_eq!(
        url(&with(|s| s.database = Some("shop".into())).unwrap()),
        "shop"
    );
    for bad in [
        with(|s| s.env = Some("stagging".into())),
        with(|s| s.database = Some("shp".into())),
        with(|s| s.lock_timeout = Some(Duration::ZERO)),
        with(|s| s.config = Some("/nowhere.toml".into())),
    ] {
        assert_eq!(bad.unwrap_err().kind().exit_code(), 2);
    }
}

/// Who wins, by what it is called, or the complaint.
fn winner(folder: &Folder, shared: &Shared, variables: &[(&str, &str)]) -> Result<String, String> {
    let environment = folder.environment(variables);
    let settings = Settings::resolve(shared, &environment).map_err(|e| e.to_string())?;
    let options = settings.database.connect(&environment);
    let options = options.map_err(|e| {
        assert_eq!(e.kind().exit_code(), 2);
        assert!(!format!("{e:?}").contains("pw"), "{e:?}");
        e.to_string()
    })?;
    Ok(format!(
        "{}: {}",
        options.database, settings.database.source
    ))
}

#[test]
fn a_flag_names_the_database_before_the_environment_does() {
    let toml = "database_url='postgres://u:pw@h/base'\n\
                [env.staging]\ndatabase_url='postgres://u:pw@h/staging'\n[env.bare]\n\
                [databases.shop]\nurl='postgres://u:pw@h/shop'\n";
    let folder = Folder::new("winner", &[("pgbelay.toml", toml)]);
    let file = folder.0.join("pgbelay.toml").display().to_string();
    let none = Shared::default();
    let staging = Shared {
        env: Some("staging".into()),
        ..Shared::default()
    };
    let bare = Shared {
        env: Some("bare".into()),
        ..Shared::default()
    };
    let shop = Shared {
        database: Some("shop".into()),
        env: Some("staging".into()),
        ..Shared::default()
    };
    let url = Shared {
        database_url: Some(Secret::new("postgres://u:pw@h/flag")),
        env: Some("staging".into()),
        ..Shared::default()
    };
    let named = ("DATABASE_URL", "postgres://u:pw@h/variable");
    let chosen = ("PGBELAY_ENV", "staging");
    let of = |shared: &Shared, variables: &[(&str, &str)]| winner(&folder, shared, variables);
    let is = |got: Result<String, String>, expected: &str| assert_eq!(got, Ok(expected.to_owned()));
    is(of(&none, &[]), &format!("base: database_url of {file}"));
    is(of(&none, &[named]), "variable: DATABASE_URL");
    is(of(&staging, &[named]), "staging: --env staging");
    is(
        of(&staging, &[named, ("PGBELAY_ENV", "bare")]),
        "staging: --env staging",
    );
    is(of(&bare, &[named]), "variable: DATABASE_URL");
    is(of(&shop, &[named, chosen]), "shop: --database shop");
    is(of(&url, &[named, chosen]), "flag: --database-url");
    is(
        of(&none, &[chosen]),
        &format!("staging: [env.staging] of {file}, chosen by PGBELAY_ENV"),
    );
    // Nobody chose between these two.
    let complaint = of(&none, &[named, chosen]).unwrap_err();
    for part in [
        "variable at h (DATABASE_URL)",
        "staging at h ([env.staging]",
    ] {
        assert!(complaint.contains(part), "{complaint}");
    }
    // The same database by another role is no other database.
    let same = ("DATABASE_URL", "postgres://other:pw@h:5432/staging");
    is(of(&none, &[same, chosen]), "staging: DATABASE_URL");
    let elsewhere = ("DATABASE_URL", "postgres://u:pw@h:5433/staging");
    assert!(of(&none, &[elsewhere, chosen]).is_err());
}

#[test]
fn a_default_environment_and_dotenv_are_no_flags() {
    let toml = "default_env='dev'\n[env.dev]\ndatabase_url='postgres://u:pw@h/dev'\n";
    let dotenv = "DATABASE_URL=postgres://u:pw@h/dotenv\n";
    let folder = Folder::new("default", &[("pgbelay.toml", toml), (".env", dotenv)]);
    let complaint = winner(&folder, &Shared::default(), &[]).unwrap_err();
    assert!(complaint.contains("(DATABASE_URL in .env)"), "{complaint}");
    assert!(complaint.contains("default_env"), "{complaint}");
    let dev = Shared {
        env: Some("dev".into()),
        ..Shared::default()
    };
    assert_eq!(winner(&folder, &dev, &[]), Ok("dev: --env dev".into()));
    let bare = Folder::new("dotenv-url", &[(".env", dotenv)]);
    let real = [("DATABASE_URL", "postgres://u:pw@h/real")];
    let of = |variables: &[(&str, &str)]| winner(&bare, &Shared::default(), variables);
    assert_eq!(of(&[]), Ok("dotenv: DATABASE_URL in .env".into()));
    assert_eq!(of(&real), Ok("real: DATABASE_URL".into()));
    let nothing = Folder::new("libpq", &[(".env", "PGHOST=h\n")]);
    let of = |variables: &[(&str, &str)]| winner(&nothing, &Shared::default(), variables);
    let libpq = [("PGDATABASE", "d")];
    assert_eq!(of(&libpq), Ok("d: PGHOST in .env, PGDATABASE".into()));
}

#[test]
fn a_malformed_dotenv_is_named_but_not_shown() {
    let folder = Folder::new("dotenv", &[(".env", "A=1\nPASSWORD = 'x y\n")]);
    let error = Settings::resolve(&Shared::default(), &folder.environment(&[])).unwrap_err();
    assert_eq!(error.kind().exit_code(), 2);
    assert_eq!(
        error.to_string(),
        "the .env file has a malformed line after A"
    );
}

/// The recipient in the file.
const FILE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[test]
fn recipients_come_from_one_source() {
    let toml = "recipients = ['age1config']\n";
    let folder = Folder::new(
        "keys",
        &[
            ("pgbelay.toml", toml),
            ("r.txt", &format!("# us\n\n{FILE}\n")),
        ],
    );
    let file = folder.0.join("r.txt");
    let of = |shared: &Shared, variables: &[(&str, &str)]| {
        let environment = folder.environment(variables);
        Settings::resolve(shared, &environment).unwrap().recipients
    };
    let none = Shared::default();
    let flag = Shared {
        recipients: vec!["age1flag".into()],
        recipients_file: Some(file.clone()),
        ..Shared::default()
    };
    let variable = [("PGBELAY_RECIPIENTS_FILE", file.to_str().unwrap())];
    let from = |dotenv: &str, variables: &[(&str, &str)]| {
        std::fs::write(folder.0.join(".env"), dotenv).unwrap();
        let environment = folder.environment(variables);
        let named = Settings::resolve(&none, &environment).unwrap().named;
        std::fs::remove_file(folder.0.join(".env")).unwrap();
        (named.by, named.in_dotenv)
    };
    let config = folder.0.join("pgbelay.toml").display().to_string();
    assert_eq!(from("", &[]), (config.clone(), false));
    let (by, in_dotenv) = from(&format!("PGBELAY_RECIPIENTS_FILE={}", file.display()), &[]);
    assert!(
        in_dotenv && by.starts_with("PGBELAY_RECIPIENTS_FILE in .env: "),
        "{by}"
    );
    assert!(from(&format!("PGBELAY_CONFIG={config}"), &[]).1);
    assert!(
        !from(
            &format!("PGBELAY_CONFIG={config}"),
            &[("PGBELAY_CONFIG", &config)]
        )
        .1
    );
    assert_eq!(of(&none, &[]), ["age1config"]);
    assert_eq!(of(&none, &variable), [FILE]);
    assert_eq!(of(&flag, &variable), ["age1flag", FILE]);
}

#[test]
fn signing_keys_and_allowed_signers_come_from_one_source_each() {
    let toml = "signing_key='toml'\nallowed_signers='toml'\n[env.live]\nsigning_key='live'\n";
    let folder = Folder::new("signing", &[("pgbelay.toml", toml)]);
    let config = folder.0.join("pgbelay.toml").display().to_string();
    let of = |shared: &Shared, dotenv: &str, variables: &[(&str, &str)]| {
        std::fs::write(folder.0.join(".env"), dotenv).unwrap();
        let settings = Settings::resolve(shared, &folder.environment(variables)).unwrap();
        let named = |path: Option<&Path>| {
            let name = path.and_then(Path::file_name).unwrap_or_default();
            name.to_str().unwrap().to_owned()
        };
        let signers = settings.signers.unwrap();
        (
            named(settings.signing_key.as_deref()),
            named(Some(&signers.file)),
            signers.in_dotenv,
        )
    };
    let none = Shared::default();
    let live = Shared {
        env: Some("live".into()),
        ..Shared::default()
    };
    let flags = Shared {
        signing_key: Some("flag".into()),
        allowed_signers: Some("flag".into()),
        ..Shared::default()
    };
    let real = [
        ("PGBELAY_SIGNING_KEY", "real"),
        ("PGBELAY_ALLOWED_SIGNERS", "real"),
    ];
    let dotenv = "PGBELAY_SIGNING_KEY=dotenv\nPGBELAY_ALLOWED_SIGNERS=dotenv\n";
    let config = format!("PGBELAY_CONFIG={config}\n");
    for (shared, dotenv, variables, expected) in [
        (&none, "", &[] as &[_], ("toml", "toml", false)),
        (&live, "", &[], ("live", "toml", false)),
        (&none, dotenv, &[], ("dotenv", "dotenv", true)),
        (&none, dotenv, &real, ("real", "real", false)),
        (&flags, dotenv, &real, ("flag", "flag", false)),
        (&none, &config, &[], ("toml", "toml", true)),
        (&none, "HOME=/tmp\n", &[], ("toml", "toml", true)),
        (
            &none,
            "HOME=/tmp\n",
            &[("HOME", "/root")],
            ("toml", "toml", false),
        ),
    ] {
        let (key, file, in_dotenv) = of(shared, dotenv, variables);
        assert_eq!(
            (key.as_str(), file.as_str(), in_dotenv),
            expected,
            "{dotenv}"
        );
    }
}

#[test]
fn patterns() {
    assert!(matches_pattern("prod", "prod"));
    assert!(matches_pattern("prod_*", "prod_eu"));
    assert!(matches_pattern("*live*", "my_live_db"));
    assert!(!matches_pattern("prod_*", "preprod_eu"));
}
