//! Secrets at rest: nothing of them is readable in the files, and only under their key do they come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use stagepost::clock;
use stagepost::domain::change::{ChangeSet, DefinitionWrite};
use stagepost::domain::definition::{
    Action, Auth, Definition, Destination, DestinationKind, Kind, Signing, Source, SourceKind, WebhookUrl,
};
use stagepost::domain::mapping::Mapping;
use stagepost::store::seal::Sealer;
use stagepost::store::sled::SledStore;
use stagepost::store::{Store, StoreError};

use crate::build::*;
use crate::sled_only::{copy, files, raw};

const CACHE: u64 = 8 << 20;
const OLD: &str = "the old key of these tests of secrets";
const NEW: &str = "the new key of these tests of secrets";
/// What every secret here begins with.
const MARK: &str = "s3cr3t-";

fn sealer(key: &str) -> Sealer {
    Sealer::new(key, clock::entropy)
}

fn open(dir: &Path, sealer: Sealer) -> Result<SledStore, StoreError> {
    SledStore::open(dir, CACHE, sealer)
}

/// A name of its own for each secret, so that a short piece of one is found.
fn secret(name: &str, n: u64) -> String {
    format!("{MARK}{name}-{n:06}")
}

/// Definitions with a secret in each place where there may be one; the last one takes several rows.
fn definitions(n: u64) -> Vec<Definition> {
    let source = Definition::Source(Source {
        key: "web".to_owned(),
        kind: SourceKind::Http,
        write_key: secret("write-key", n),
        previous_write_key: None,
        twilio_auth_tokens: vec![secret("auth-token", n)],
        properties: None,
        created_at: at(1),
        updated_at: at(2),
    });
    let signing =
        Signing { shared_secret: Some(secret("shared", n)), signing_secrets: vec![secret("signing", n)] };
    let url = |at: usize| WebhookUrl {
        url: format!("https://crm.example.com/{}", secret("path", n)),
        headers: BTreeMap::from([(
            format!("X-{at}"),
            format!("{}{}", secret("header", n), "x".repeat(4000)),
        )]),
    };
    let webhook =
        DestinationKind::Webhook { urls: (0..5).map(url).collect(), signing: signing.clone(), gzip: false };
    let mapping = |value: serde_json::Value| Mapping::parse(&value).unwrap();
    let action = DestinationKind::WebhookAction(Arc::new(Action {
        url: mapping(json!("https://erp.example.com/orders")),
        method: mapping(json!("POST")),
        headers: mapping(json!({ "X-Key": secret("mapped", n) })),
        data: mapping(json!({ "@path": "$" })),
        signing,
        gzip: false,
        auth: Some(Auth::Bearer { token: secret("bearer", n) }),
        batch: None,
        required: Vec::new(),
        expected: Vec::new(),
    }));
    let destination = |key: &str, kind| Definition::Destination(Destination::new(key.to_owned(), kind));
    vec![source, destination("action", action), destination("crm", webhook)]
}

fn putting(definitions: Vec<Definition>) -> ChangeSet {
    let mut set = changes();
    set.definitions = definitions.into_iter().map(|it| DefinitionWrite::Put(Box::new(it))).collect();
    set
}

/// Names of the files that hold `text`.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let found = files(dir).into_iter().filter(|(_, bytes)| holds(bytes));
    found.map(|(path, _)| path.display().to_string()).collect()
}

/// A store in `dir` that has those definitions, sealed under the old key.
async fn sealed(dir: &Path) {
    open(dir, sealer(OLD)).unwrap().commit(&putting(definitions(0))).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_in_any_file_however_often_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = open(dir.path(), sealer(OLD)).unwrap();
        for n in 0..40 {
            let mut set = putting(definitions(round * 40 + n));
            if n % 7 == 3 {
                set.definitions.push(DefinitionWrite::Delete { kind: Kind::Destination, key: "crm".into() });
            }
            store.commit(&set).await.unwrap();
        }
        assert_eq!(store.definitions().await.unwrap(), definitions(round * 40 + 39));
        assert_eq!(holding(dir.path(), MARK), [""; 0], "while it runs");
    }
    assert_eq!(holding(dir.path(), MARK), [""; 0]);
    assert_eq!(holding(dir.path(), "key of these tests"), [""; 0], "nor the key");
    assert!(!holding(dir.path(), &sealer(OLD).key_id().to_string()).is_empty(), "its id is");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path()).await;
    let before = files(dir.path());
    let error = open(dir.path(), sealer(NEW)).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }) && error.is_fatal(), "{error}");
    let message = error.to_string();
    for part in [
        "STAGEPOST_SECRET_KEY",
        "STAGEPOST_SECRET_KEY_FILE",
        "STAGEPOST_SECRET_KEY_PREVIOUS",
        &sealer(OLD).key_id().to_string(),
        &sealer(NEW).key_id().to_string(),
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(files(dir.path()), before);
    assert_eq!(SledStore::sealed_under(dir.path()).unwrap(), Some(sealer(OLD).key_id().to_string()));
    assert_eq!(open(dir.path(), sealer(OLD)).unwrap().definitions().await.unwrap(), definitions(0));

    // Without the marker the records themselves say it.
    fs::write(dir.path().join("stagepost.json"), r#"{"version":4,"commits":1}"#).unwrap();
    let error = open(dir.path(), sealer(NEW)).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    assert_eq!(open(dir.path(), sealer(OLD)).unwrap().definitions().await.unwrap(), definitions(0));
}

#[tokio::test]
async fn an_exchanged_key_seals_everything_anew() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path()).await;
    let old_marker = fs::read(dir.path().join("stagepost.json")).unwrap();
    let both = || sealer(NEW).with_previous(OLD);
    let store = open(dir.path(), both()).unwrap();
    assert_eq!(store.definitions().await.unwrap(), definitions(0));
    drop(store);

    let error = open(dir.path(), sealer(OLD)).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let store = open(dir.path(), sealer(NEW)).unwrap();
    assert_eq!(store.definitions().await.unwrap(), definitions(0), "the old key is needed no more");
    store.commit(&putting(definitions(1))).await.unwrap();
    drop(store);

    // A kill between the records and the marker: the old marker over new records.
    fs::write(dir.path().join("stagepost.json"), old_marker).unwrap();
    assert_eq!(open(dir.path(), both()).unwrap().definitions().await.unwrap(), definitions(1));
    assert_eq!(open(dir.path(), sealer(NEW)).unwrap().definitions().await.unwrap(), definitions(1));
    assert_eq!(holding(dir.path(), MARK), [""; 0]);
}

#[tokio::test]
async fn a_record_that_was_moved_changed_or_put_in_plain_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    let mut set = putting(definitions(0));
    set.definitions.push(DefinitionWrite::Put(Box::new(source("other"))));
    open(&sound, sealer(OLD)).unwrap().commit(&set).await.unwrap();
    let plain = serde_json::to_vec(&source("web")).unwrap();
    for what in ["moved", "changed", "plain"] {
        let path = dir.path().join(what);
        copy(&sound, &path);
        let raw = raw(&path);
        let row = match what {
            "moved" => raw.get("fsother").unwrap().unwrap().to_vec(),
            "changed" => {
                let mut row = raw.get("fsweb").unwrap().unwrap().to_vec();
                *row.last_mut().unwrap() ^= 1;
                row
            }
            _ => [&[1], &plain[..]].concat(),
        };
        raw.insert("fsweb", row).unwrap();
        drop(raw);
        let error = open(&path, sealer(OLD)).unwrap_err();
        let named = matches!(&error, StoreError::Corrupt { place, .. } if place.contains("definition #"));
        assert!(named, "{what}: {error}");
        assert!(!error.to_string().contains("web"), "{error}");
    }
}

#[tokio::test]
async fn a_copy_is_sealed_under_the_key_of_its_own_store() {
    let dir = tempfile::tempdir().unwrap();
    let (there, here) = (dir.path().join("there"), dir.path().join("here"));
    let from = open(&there, sealer(OLD)).unwrap();
    let definitions = definitions(1).into_iter().map(|it| DefinitionWrite::Put(Box::new(it))).collect();
    from.commit(&ChangeSet { definitions, ..changes() }).await.unwrap();
    let to = open(&here, sealer(NEW)).unwrap();
    let compared = stagepost::store::copy::copy(&from, &to, "the copy", &mut |_| {}).await.unwrap();
    assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:?}");
    drop(to);
    assert!(matches!(open(&here, sealer(OLD)), Err(StoreError::WrongKey { .. })));
    let to = open(&here, sealer(NEW)).unwrap();
    assert_eq!(to.definitions().await.unwrap(), from.definitions().await.unwrap());
    drop((from, to));
    assert_eq!(holding(&here, MARK), [""; 0]);
}
