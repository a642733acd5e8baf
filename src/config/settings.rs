//! The table of settings: what the file, the environment, `--help` and the README call them.

use std::fmt::Write;

/// In what form a setting may stand in the file. In the environment and as a flag it is always text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// `true`, `false`, a text, or a list of texts.
    Choice,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file.
    pub key: &'static str,
    /// Its name in the environment.
    pub env: &'static str,
    /// What it is when nothing is said; empty for nothing.
    pub default: &'static str,
    /// A value that it could have.
    pub example: &'static str,
    /// Its form in the file.
    pub shape: Shape,
    /// What it is for.
    pub help: &'static str,
}

/// Every setting, in the order in which they are shown.
pub const SETTINGS: [Setting; 21] = [
    text("listen", "STAGEPOST_LISTEN", "127.0.0.1:8080", "0.0.0.0:8443", "Address and port to listen on"),
    text(
        "data_dir",
        "STAGEPOST_DATA_DIR",
        "./data",
        "/var/lib/stagepost",
        "Directory of everything that is kept",
    ),
    text(
        "store",
        "STAGEPOST_STORE",
        "",
        "sled:/var/lib/stagepost/store",
        "`sled:PATH` for one server, `postgres://user:password@host/database` for one or several (docs/SCALING.md), or `memory:` \
         which forgets everything at the end; unset: sled in the data directory",
    ),
    Setting {
        key: "cache_mb",
        env: "STAGEPOST_CACHE_MB",
        default: "128",
        example: "1024",
        shape: Shape::Number,
        help: "Memory that the store may use as its cache, in MiB",
    },
    Setting {
        key: "writers",
        env: "STAGEPOST_WRITERS",
        default: "",
        example: "4",
        shape: Shape::Number,
        help: "Writers that take events in side by side where nodes share a `postgres:` store, 1 to 16 (docs/SCALING.md); unset: \
               half the processors, 1 to 8",
    },
    text(
        "smtp_url",
        "STAGEPOST_SMTP_URL",
        "",
        "smtp://user:password@mail.example.com:587?tls=required",
        "Mail server: `smtp://host:25`, `smtp://host:587?tls=required` or `smtps://user:password@host:465`; unset: \
         mails are written as `.eml` files under the data directory",
    ),
    text(
        "mail_from",
        "STAGEPOST_MAIL_FROM",
        "stagepost <stagepost@localhost>",
        "Stagepost <stagepost@example.com>",
        "Sender of the mails",
    ),
    Setting {
        key: "ops_email",
        env: "STAGEPOST_OPS_EMAIL",
        default: "",
        example: "ops@example.com,lead@example.com",
        shape: Shape::Choice,
        help: "Mail addresses of the people who run the server, told when a destination is paused and when it takes calls \
               again; unset: nobody is told, the log says it",
    },
    text(
        "public_url",
        "STAGEPOST_PUBLIC_URL",
        "",
        "https://stagepost.example.com",
        "Where the server is reached from outside, for links and for Twilio's signatures; unset: the address it \
         listens on, and no links to act by unless that is this machine's alone",
    ),
    Setting {
        key: "trusted_proxies",
        env: "STAGEPOST_TRUSTED_PROXIES",
        default: "",
        example: "10.0.0.2,192.168.0.0/16",
        shape: Shape::Choice,
        help: "Addresses or networks of the proxies in front, whose `X-Forwarded-For` says where a request comes from \
               (docs/SECURITY.md); unset: nobody's does",
    },
    Setting {
        key: "allow_private_destinations",
        env: "STAGEPOST_ALLOW_PRIVATE_DESTINATIONS",
        default: "false",
        example: "10.1.0.0/16,192.168.7.9/32",
        shape: Shape::Choice,
        help: "Whether destinations may have private and loopback addresses: `false`, a list of the networks that are \
               allowed, or `true` for every address and port",
    },
    text(
        "admin_token",
        "STAGEPOST_ADMIN_TOKEN",
        "",
        "an-admin-token-of-your-own",
        "Token of the management API, at least 16 characters; unset: one is made and shown at the very first start",
    ),
    text(
        "secret_key",
        "STAGEPOST_SECRET_KEY",
        "",
        "a-random-text-such-as-openssl-rand-hex-32-prints",
        "Key that sources and destinations, which hold secrets, are sealed under in the store: a random text of at least 32 \
         characters; unset: `secret_key_file`, or else one is made at the first start and kept as `secret.key` in the data \
         directory",
    ),
    text(
        "secret_key_file",
        "STAGEPOST_SECRET_KEY_FILE",
        "",
        "/run/secrets/stagepost",
        "File with that key, in place of `secret_key`",
    ),
    text(
        "secret_key_previous",
        "STAGEPOST_SECRET_KEY_PREVIOUS",
        "",
        "the-key-before-that-opens-what-is-sealed-under-it",
        "The key before the present one, for the start at which it is exchanged: everything is sealed anew",
    ),
    text(
        "templates_dir",
        "STAGEPOST_TEMPLATES_DIR",
        "",
        "/etc/stagepost/templates",
        "Directory whose `email/`, `call/` and `sms/` templates go before those built in (docs/MAILS.md)",
    ),
    text(
        "tls_cert",
        "STAGEPOST_TLS_CERT",
        "",
        "/etc/stagepost/cert.pem",
        "Certificate chain (PEM); with it, HTTPS",
    ),
    text(
        "tls_key",
        "STAGEPOST_TLS_KEY",
        "",
        "/etc/stagepost/key.pem",
        "Private key of the certificate (PEM)",
    ),
    text(
        "log",
        "STAGEPOST_LOG",
        "info,actix_server=warn,tokio_cron_scheduler=warn",
        "stagepost=debug,warn",
        "What is logged: a level, or levels by module",
    ),
    text("log_format", "STAGEPOST_LOG_FORMAT", "text", "json", "`text` or `json`"),
    Setting {
        key: "shutdown_secs",
        env: "STAGEPOST_SHUTDOWN_SECS",
        default: "25",
        example: "10",
        shape: Shape::Number,
        help: "Seconds that what was accepted has to finish in after SIGTERM",
    },
];

const fn text(
    key: &'static str,
    env: &'static str,
    default: &'static str,
    example: &'static str,
    help: &'static str,
) -> Setting {
    Setting { key, env, default, example, shape: Shape::Text, help }
}

/// Variables beside those of the settings: the command line reads them itself.
pub(super) const OTHER_VARIABLES: [&str; 2] = ["STAGEPOST_CONFIG", "STAGEPOST_SERVER"];

/// The table of settings as Markdown, for the README.
pub fn markdown() -> String {
    let mut table = String::from("| key | environment | default | |\n|---|---|---|---|\n");
    for setting in &SETTINGS {
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        // Writing to a string can't fail.
        let _ = writeln!(table, "| `{}` | `{}` | {default} | {} |", setting.key, setting.env, setting.help);
    }
    table
}

/// The table of settings as text, for `--help`.
pub fn help() -> String {
    let mut text = String::new();
    for setting in &SETTINGS {
        let default = if setting.default.is_empty() {
            String::new()
        } else {
            format!(" [default: {}]", setting.default)
        };
        let _ = writeln!(text, "  {} ({}){default}\n      {}", setting.key, setting.env, setting.help);
    }
    text
}
