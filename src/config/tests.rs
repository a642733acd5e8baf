use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::settings::SETTINGS;
use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_env(pairs: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    Config::load(Said { environment: &env(pairs), ..Said::default() }).map(|(config, _)| config)
}

fn from_file(file: Value) -> Result<Config, Vec<Problem>> {
    Config::load(Said { file: file.as_object(), ..Said::default() }).map(|(config, _)| config)
}

#[test]
fn the_defaults_are_valid() {
    let config = from_env(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store, StoreChoice::Sled("./data/store".into()));
    assert_eq!(config.base_url(config.listen), "http://127.0.0.1:8080");
    assert_eq!(config.base_url("0.0.0.0:81".parse().unwrap()), "http://127.0.0.1:81");
}

#[test]
fn flags_go_before_the_environment_before_the_file() {
    let file = json!({"listen": "127.0.0.1:1", "data_dir": "/file", "log_format": "json"});
    let environment = env(&[("STAGEPOST_LISTEN", "127.0.0.1:2"), ("STAGEPOST_DATA_DIR", "/env")]);
    let flags = [("listen", "localhost:3".to_owned())];
    let said = Said { file: file.as_object(), environment: &environment, flags: &flags };
    let (config, warnings) = Config::load(said).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3");
    assert_eq!((config.data_dir, config.log_format), ("/env".into(), LogFormat::Json));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(from_env(&[("STAGEPOST_LISTEN", "")]).unwrap().listen.port(), 8080, "empty is not set");
}

#[test]
fn the_table_and_the_struct_agree() {
    // Each setting of the table is read, from the environment and from the file, and changes the settings.
    let default = from_env(&[]).unwrap();
    for setting in &SETTINGS {
        let (environment, file) = match setting.key {
            "tls_cert" | "tls_key" => {
                let pair = SETTINGS.iter().filter(|setting| setting.key.starts_with("tls_"));
                let file = json!({"tls_cert": "c", "tls_key": "k"});
                (pair.map(|setting| (setting.env, setting.example)).collect(), file)
            }
            _ => {
                let value = match setting.shape {
                    settings::Shape::Number => setting.example.parse::<u64>().unwrap().into(),
                    settings::Shape::Text | settings::Shape::Choice => Value::from(setting.example),
                };
                (vec![(setting.env, setting.example)], json!({setting.key: value}))
            }
        };
        assert_ne!(from_env(&environment).unwrap(), default, "{}", setting.env);
        assert_ne!(from_file(file).unwrap(), default, "{}", setting.key);
        assert_eq!(setting.env, format!("STAGEPOST_{}", setting.key.to_uppercase()));
        assert!(settings::markdown().contains(setting.env) && settings::help().contains(setting.help));
    }
    // Each field of the struct is in the table.
    let shown = format!("{default:#?}");
    let fields: BTreeSet<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
        .map(|(field, _)| field)
        .filter(|field| !field.starts_with(' '))
        .collect();
    let keys =
        SETTINGS.iter().map(|setting| if setting.key.starts_with("tls_") { "tls" } else { setting.key });
    assert_eq!(keys.collect::<BTreeSet<_>>(), fields);
}

#[test]
fn all_problems_come_at_once_and_show_no_secret() {
    let environment = [
        ("STAGEPOST_LISTEN", "8080"),
        ("STAGEPOST_STORE", "postgres://u:hidden@h/db?sslmode=hidden"),
        ("STAGEPOST_SMTP_URL", "http://u:hidden@h"),
        ("STAGEPOST_ADMIN_TOKEN", "hidden"),
        ("STAGEPOST_TLS_CERT", "cert.pem"),
        ("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS", "10.0.0.0/8,yes"),
        ("STAGEPOST_LOG_FORMAT", "xml"),
        ("STAGEPOST_LOG", "stagepost=loud"),
        ("STAGEPOST_MAIL_FROM", "nobody"),
        ("STAGEPOST_PUBLIC_URL", "stagepost.example.com"),
        ("STAGEPOST_CACHE_MB", "1"),
        ("STAGEPOST_WRITERS", "0"),
        ("STAGEPOST_SECRET_KEY", "hidden"),
        ("STAGEPOST_SECRET_KEY_PREVIOUS", "hidden too"),
    ];
    let problems = from_env(&environment).unwrap_err();
    assert_eq!(problems.len(), environment.len(), "{problems:#?}");
    assert!(!format!("{problems:?}").contains("hidden"), "{problems:#?}");
    let store = problems.iter().find(|problem| problem.field == "STAGEPOST_STORE").unwrap();
    assert!(store.message.contains("sslmode is one of"), "{}", store.message);

    let problems = from_file(json!({"lisen": "x", "cache_mb": "9", "log": 3, "soruce": []})).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["lisen", "soruce", "cache_mb", "log"]);
    assert_eq!(problems[0].message, "unknown key `lisen`; did you mean `listen`?");
    assert_eq!(problems[1].message, "unknown key `soruce`; did you mean `source`?");
}

#[test]
fn secrets_are_not_shown() {
    let config = from_env(&[
        ("STAGEPOST_SMTP_URL", "smtps://u:hidden@mail.example.com:465"),
        ("STAGEPOST_STORE", "postgres://u:hidden@db.example.com/stagepost"),
        ("STAGEPOST_ADMIN_TOKEN", "hidden-hidden-hidden"),
        ("STAGEPOST_SECRET_KEY", " hidden-hidden-hidden-hidden-hidden\n"),
        ("STAGEPOST_SECRET_KEY_PREVIOUS", "hidden-hidden-hidden-hidden-hidden-too"),
    ])
    .unwrap();
    assert!(!format!("{config:?} {config:#?}").contains("hidden"));
    assert_eq!(config.admin_token.unwrap().expose(), "hidden-hidden-hidden");
    assert_eq!(config.secret_key.unwrap().expose(), "hidden-hidden-hidden-hidden-hidden", "as a file has it");
}

#[test]
fn a_key_and_a_file_with_one_exclude_each_other() {
    let key = "0123456789abcdef0123456789abcdef";
    let problems =
        from_env(&[("STAGEPOST_SECRET_KEY", key), ("STAGEPOST_SECRET_KEY_FILE", "/key")]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].field == "secret_key_file" && problems[0].message.contains("secret_key"),
        "{problems:?}"
    );
}

#[test]
fn proxies_are_addresses_and_networks() {
    let read = |text: &str| {
        let config = from_env(&[("STAGEPOST_TRUSTED_PROXIES", text)])?;
        Ok::<_, Vec<Problem>>(config.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(read("10.0.0.2, 2001:db8::/32").unwrap(), ["10.0.0.2/32", "2001:db8::/32"]);
    assert_eq!(read("").unwrap(), [""; 0]);
    for bad in ["proxy.example.com", "10.0.0.2:80", "true", "10.0.0.2,", "0.0.0.0/0", "::/0"] {
        let problems = read(bad).unwrap_err();
        assert!(problems[0].message.contains("is not an address or a network"), "{bad}: {problems:?}");
    }
    let of_file = |value| from_file(json!({ "trusted_proxies": value })).unwrap().trusted_proxies.len();
    assert_eq!((of_file(json!([])), of_file(json!(["10.0.0.2", "10.0.0.3"]))), (0, 2));
}

#[test]
fn values_of_every_form() {
    for good in ["smtp://127.0.0.1:2525", "smtps://user:pass@host:465", "smtp://host:587?tls=required"] {
        assert!(from_env(&[("STAGEPOST_SMTP_URL", good)]).is_ok(), "{good}");
    }
    for bad in ["smtp://host?tls=no", "mail.example.com:25", "smtp://", "smtp://user@host"] {
        assert!(from_env(&[("STAGEPOST_SMTP_URL", bad)]).is_err(), "{bad}");
    }
    let allowed = |file| from_file(file).map(|config| config.allow_private_destinations);
    for (value, kept) in [
        (json!(true), "true"),
        (json!(["127.0.0.0/8", "::1"]), "127.0.0.0/8,::1/128"),
        (json!([]), "false"),
        (json!("10.0.0.0/8, 10.1.1.1"), "10.0.0.0/8,10.1.1.1/32"),
    ] {
        assert_eq!(allowed(json!({"allow_private_destinations": value})).as_deref(), Ok(kept));
    }
    assert_eq!(from_env(&[("STAGEPOST_STORE", "memory:")]).unwrap().store, StoreChoice::Memory);
    let url = "postgresql://u:p@one:5432,other:5432/db?target_session_attrs=read-write";
    assert_eq!(from_env(&[("STAGEPOST_STORE", url)]).unwrap().store, StoreChoice::Postgres(Secret::new(url)));
    for bad in ["postgres://", "postgres:///db", "sled:", "mysql://h/db"] {
        assert!(from_env(&[("STAGEPOST_STORE", bad)]).is_err(), "{bad}");
    }
    let url = from_env(&[("STAGEPOST_PUBLIC_URL", "https://x.example/")]).unwrap();
    assert_eq!(url.base_url(url.listen), "https://x.example");
}

#[test]
fn writers_follow_the_processors_unless_asked_otherwise() {
    let config = from_env(&[]).unwrap();
    let writers = [0, 1, 2, 3, 4, 15, 16, 64].map(|processors| config.writers_on(processors));
    assert_eq!(writers, [1, 1, 1, 1, 2, 7, 8, 8]);
    assert_eq!(from_env(&[("STAGEPOST_WRITERS", "16")]).unwrap().writers_on(2), 16);
    for bad in ["17", "-1", "many", "1.5"] {
        let problems = from_env(&[("STAGEPOST_WRITERS", bad)]).unwrap_err();
        assert_eq!(problems[0].message, "must be a whole number from 1 to 16", "{bad}");
    }
}

#[test]
fn unknown_variables_are_warned_of() {
    let environment = env(&[("STAGEPOST_LISTN", "x"), ("STAGEPOST_CONFIG", "x"), ("HOME", "x")]);
    let (_, warnings) = Config::load(Said { environment: &environment, ..Said::default() }).unwrap();
    assert_eq!(
        warnings,
        [
            "the environment variable STAGEPOST_LISTN is not known and has no effect; did you mean `STAGEPOST_LISTEN`?"
        ]
    );
}
