//! The floors: who may know whom, read from the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const LONGEST: usize = 600;

/// Each floor with the floors that it may name. `main`, `lib` and `cli` wire everything together and may name all.
const MAY_NAME: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("metrics", &[]),
    ("clock", &["domain"]),
    ("crypto", &[]),
    ("file", &["domain"]),
    ("starter", &["domain", "file"]),
    ("config", &["domain", "file", "delivery", "store"]),
    ("telemetry", &["domain", "config"]),
    ("store", &["domain"]),
    ("engine", &["domain", "store", "clock", "metrics"]),
    ("delivery", &["domain", "store", "clock", "crypto", "metrics", "engine"]),
    ("reconcile", &["domain", "clock", "metrics", "engine", "delivery"]),
    ("http", &["domain", "store", "clock", "metrics", "engine", "delivery"]),
];

/// What the top floor may name of the store: plain records, never a backend or the trait.
const STORE_FOR_HTTP: [&str; 4] = ["EventFilter", "Member", "Counts", "StoreStats"];

/// A source file, without comments, texts and tests.
struct Source {
    path: String,
    is_test: bool,
    whole: String,
    code: String,
}

impl Source {
    fn floor(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        rest.split('/').next().map_or(rest, |first| first.trim_end_matches(".rs"))
    }

    /// Paths that begin at our own root, as lists of names: `crate::store::Store` is `["store", "Store"]`.
    fn own_paths(&self) -> BTreeSet<Vec<String>> {
        let mut found = BTreeSet::new();
        for (at, _) in self.code.match_indices("crate::") {
            let before = self.code[..at].chars().next_back();
            if !before.is_some_and(is_word) {
                read_path(&self.code[at + "crate::".len()..], &mut Vec::new(), &mut found);
            }
        }
        // `super::super::store` in src/engine/handle.rs is at the root, too.
        let depth = self.path.trim_start_matches("src/").trim_end_matches("/mod.rs").split('/').count();
        for (at, _) in self.code.match_indices(&"super::".repeat(depth)) {
            let mut paths = BTreeSet::new();
            read_path(&self.code[at + "super::".len() * depth..], &mut Vec::new(), &mut paths);
            found.extend(paths.into_iter().filter(|path| is_floor(&path[0])));
        }
        found
    }

    /// Whether the code names this crate.
    fn names_crate(&self, name: &str) -> bool {
        self.code.match_indices(name).any(|(at, _)| {
            let before = self.code[..at].trim_end();
            let after = &self.code[at + name.len()..];
            let starts = !self.code[..at].chars().next_back().is_some_and(is_word);
            let ends = !after.chars().next().is_some_and(is_word);
            let is_module = before.ends_with("mod");
            let is_inner = before.ends_with("::")
                && before.trim_end_matches("::").chars().next_back().is_some_and(is_word);
            let is_path = after.starts_with("::") || before.ends_with("use");
            starts && ends && is_path && !is_module && !is_inner
        })
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_floor(name: &str) -> bool {
    MAY_NAME.iter().any(|(floor, _)| *floor == name) || matches!(name, "cli" | "main" | "lib")
}

/// Reads one path, `a::b` or `a::{b, c::d}`, into its plain forms; gives back what follows it.
fn read_path<'a>(code: &'a str, before: &mut Vec<String>, found: &mut BTreeSet<Vec<String>>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut inside) = code.strip_prefix('{') {
        loop {
            inside = inside.trim_start();
            if let Some(rest) = inside.strip_prefix('}') {
                return rest;
            }
            if let Some(rest) = inside.strip_prefix(',') {
                inside = rest;
                continue;
            }
            let length = before.len();
            let rest = read_path(inside, before, found);
            before.truncate(length);
            if rest.len() == inside.len() {
                return rest;
            }
            // ` as name`
            inside = rest.find([',', '}']).map_or("", |end| &rest[end..]);
        }
    }
    let end = code.find(|character| !is_word(character)).unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    if name.is_empty() {
        if !before.is_empty() {
            found.insert(before.clone());
        }
        return rest.strip_prefix('*').unwrap_or(rest);
    }
    before.push(name.to_owned());
    if let Some(rest) = rest.strip_prefix("::") {
        return read_path(rest, before, found);
    }
    found.insert(before.clone());
    rest
}

/// The code with comments and texts taken out.
fn strip(code: &str) -> String {
    let mut plain = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(character) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(text) = rest.strip_prefix("r#\"") {
            text.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if character == '"' {
            text_length(rest)
        } else {
            plain.push(character);
            rest = &rest[character.len_utf8()..];
            continue;
        };
        plain.push(' ');
        rest = &rest[skip..];
    }
    plain
}

fn text_length(code: &str) -> usize {
    let mut escaped = false;
    for (at, character) in code.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    code.len()
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("a source").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    walk(&root.join("src"), &mut paths);
    paths.sort();
    let sources: Vec<Source> = paths
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).expect("a source");
            // A module of tests stands at the end of its file, or in a file of its own.
            let end = whole.find("#[cfg(test)]\nmod ").unwrap_or(whole.len());
            let is_test = path.to_string_lossy().ends_with("tests.rs")
                || path.components().any(|part| part.as_os_str() == "tests");
            let code = if is_test { String::new() } else { strip(&whole[..end]) };
            let path = path.strip_prefix(root).expect("a path below the root").to_string_lossy().into_owned();
            Source { path, is_test, whole, code }
        })
        .collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// Fails with all of `wrong`.
fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn a_floor_names_only_the_floors_below_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(floor, _)| *floor == source.floor()) else {
            continue;
        };
        for path in source.own_paths() {
            if path[0] != source.floor() && !allowed.contains(&path[0].as_str()) {
                wrong.push(format!("{} names crate::{}", source.path, path.join("::")));
            }
        }
    }
    assert_none(&wrong, "a floor may not name one above it");
}

#[test]
fn the_top_floor_knows_of_the_store_only_its_records() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.floor() == "http") {
        for path in source.own_paths() {
            let record = path.get(1).is_some_and(|name| STORE_FOR_HTTP.contains(&name.as_str()));
            if path[0] == "store" && !record {
                wrong.push(format!("{} names crate::{}", source.path, path.join("::")));
            }
        }
        if source.code.contains("dyn Store") {
            wrong.push(format!("{} holds a store", source.path));
        }
    }
    assert_none(&wrong, "http reads through the engine's handle");
}

#[test]
fn a_library_is_named_only_where_it_belongs() {
    let places: [(&str, &[&str]); 7] = [
        ("sled", &["src/store/sled"]),
        // In tls.rs it is the provider of that name in rustls.
        ("ring", &["src/store/seal.rs", "src/delivery/tls.rs"]),
        ("actix_web", &["src/http", "src/cli"]),
        ("actix_cors", &["src/http"]),
        ("lettre", &["src/delivery", "src/config"]),
        ("reqwest", &["src/delivery", "src/cli"]),
        ("tokio_cron_scheduler", &["src/engine"]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        // `use crate::store::sled;` makes our own module known by the crate's name.
        let own = source.own_paths().contains(&vec!["store".to_owned(), "sled".to_owned()]);
        for (library, folders) in places {
            let at_home = folders.iter().any(|folder| source.path.starts_with(folder));
            if !at_home && source.names_crate(library) && !(library == "sled" && own) {
                wrong.push(format!("{} names {library}", source.path));
            }
        }
    }
    assert_none(&wrong, "libraries stay behind their floor");
}

#[test]
fn places_are_made_where_it_is_looked_at_who_may_go_there() {
    // The API's and the console's are asked one by one as everybody, by tests beside them; the others let in whoever has what they
    // ask for: a token with `read`, a write key or a signature, a signed link. `src/http/mod.rs` answers that there is nothing.
    let known = ["api", "console", "profiles", "ingest", "twilio", "act", "mod.rs"];
    let makes = ["web::resource(", "web::scope(", "Resource::new(", ".route(", "web::to("];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.floor() == "http") {
        let part = source.path.trim_start_matches("src/http/").split('/').next().unwrap_or_default();
        if !known.contains(&part) && makes.iter().any(|call| source.code.contains(call)) {
            wrong.push(format!("{} makes places of its own", source.path));
        }
        // Of the API, only what every endpoint is made by.
        let is_maker = ["src/http/api/mod.rs", "src/http/api/endpoint.rs"].contains(&source.path.as_str());
        if part == "api" && !is_maker && makes.iter().any(|call| source.code.contains(call)) {
            wrong.push(format!("{} makes places that are no `Endpoint`", source.path));
        }
    }
    assert_none(&wrong, "a new place says who may go there");
}

#[test]
fn a_file_says_what_it_is_for_and_fits_a_sitting() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.whole.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{} has {lines} lines; the most is {LONGEST}", source.path));
        }
        if !source.is_test && !source.whole.starts_with("//!") {
            wrong.push(format!("{} does not begin with what it is for (//!)", source.path));
        }
    }
    assert_none(&wrong, "files");
}

#[test]
fn the_reader_of_paths_can_read() {
    let source = |path: &str, code: &str| Source {
        path: path.to_owned(),
        is_test: false,
        whole: String::new(),
        code: strip(code),
    };
    let nested = source(
        "src/http/api/x.rs",
        "/// crate::no\nuse crate::{domain::{ids::UserKey as Key, time}, store::*}; \"crate::no\"; crate::engine::go()",
    );
    let paths: Vec<String> = nested.own_paths().iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["domain::ids::UserKey", "domain::time", "engine::go", "store"]);
    let upwards = source("src/engine/x.rs", "use super::super::store::A; use super::B;");
    assert_eq!(upwards.own_paths(), BTreeSet::from([vec!["store".to_owned(), "A".to_owned()]]));

    assert!(source("src/engine/x.rs", "use sled::Db; '\"';").names_crate("sled"));
    assert!(source("src/engine/x.rs", "'\"'; ::sled::open()").names_crate("sled"));
    assert!(
        !source("src/store/mod.rs", "pub mod sled; crate::store::sled::X; sled_like::Y").names_crate("sled")
    );
}
