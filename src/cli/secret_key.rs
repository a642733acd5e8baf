//! The key that secrets are sealed under: from the settings, from a file, or made at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt};
use std::path::Path;

use crate::clock;
use crate::config::{Config, Secret, StoreChoice, read_secret_key};
use crate::domain::limits::MAX_SECRET_KEY_BYTES;
use crate::domain::link::LinkKey;
use crate::store::seal::Sealer;
use crate::store::sled::SledStore;

/// The name of the key's file in the data directory.
pub(super) const OWN_FILE: &str = "secret.key";

/// The sealer for the store in the directory `store`.
///
/// # Errors
/// A message that names the setting, when the key can't be read, or is missing though the store needs it.
pub(super) fn sealer(config: &Config, store: &Path) -> Result<Sealer, String> {
    let secret = match given(config)? {
        Some(secret) => secret,
        None => own(&config.data_dir, store)?,
    };
    Ok(sealer_of(config, &secret))
}

/// The sealer for a store that several servers share: a key that one of them made would be no other's.
///
/// # Errors
/// A message that names the setting, when there is no key or it can't be read.
pub(super) fn shared_sealer(config: &Config) -> Result<Sealer, String> {
    let secret = given(config)?.ok_or(
        "a database can have several servers, and all need the same key for the secrets in it: set secret_key \
         (STAGEPOST_SECRET_KEY) or secret_key_file (STAGEPOST_SECRET_KEY_FILE); `openssl rand -hex 32` prints one",
    )?;
    Ok(sealer_of(config, &secret))
}

/// The key of the links in mails. It follows from the same secret, so that a link works on every server over one store and after a
/// restart; with a store in memory nothing that a link could be about outlives the process.
///
/// # Errors
/// As [`sealer`] and [`shared_sealer`], which is to be asked first: it makes the key where there is none.
pub(super) fn link_key(config: &Config) -> Result<LinkKey, String> {
    let secret = match (given(config)?, &config.store) {
        (Some(secret), _) => secret,
        (None, StoreChoice::Sled(store)) => own(&config.data_dir, store)?,
        (None, StoreChoice::Memory | StoreChoice::Postgres(_)) => Secret::new(hex::encode(clock::entropy())),
    };
    let key = LinkKey::new(secret.expose());
    Ok(match &config.secret_key_previous {
        Some(previous) => key.with_previous(previous.expose()),
        None => key,
    })
}

/// The key that the settings name.
fn given(config: &Config) -> Result<Option<Secret>, String> {
    match (&config.secret_key, &config.secret_key_file) {
        (Some(secret), _) => Ok(Some(secret.clone())),
        (None, Some(path)) => {
            let found = read(path).and_then(|found| found.ok_or_else(|| "there is no such file".to_owned()));
            found.map(Some).map_err(|error| {
                format!("secret_key_file (STAGEPOST_SECRET_KEY_FILE) {}: {error}", path.display())
            })
        }
        (None, None) => Ok(None),
    }
}

fn sealer_of(config: &Config, secret: &Secret) -> Sealer {
    let sealer = Sealer::new(secret.expose(), clock::entropy);
    match &config.secret_key_previous {
        Some(previous) => sealer.with_previous(previous.expose()),
        None => sealer,
    }
}

/// The key in the data directory; made there where none was ever needed.
fn own(data_dir: &Path, store: &Path) -> Result<Secret, String> {
    let path = data_dir.join(OWN_FILE);
    if let Some(secret) = read(&path).map_err(|error| format!("the key in {}: {error}", path.display()))? {
        return Ok(secret);
    }
    if let Some(id) = SledStore::sealed_under(store).map_err(|error| error.to_string())? {
        return Err(format!(
            "the secrets in {} are sealed under a key (its id is {id}), and none is given; set secret_key (STAGEPOST_SECRET_KEY) \
             or secret_key_file (STAGEPOST_SECRET_KEY_FILE), or put the key's file back to {}; nothing was changed",
            store.display(),
            path.display()
        ));
    }
    let text = hex::encode(clock::entropy());
    make(data_dir, &path, &text).map_err(|error| {
        format!(
            "a key for secrets can't be written to {}: {error}; set secret_key (STAGEPOST_SECRET_KEY) or secret_key_file \
             (STAGEPOST_SECRET_KEY_FILE), or let it be written there",
            path.display()
        )
    })?;
    tracing::warn!(
        key = %path.display(),
        "made a key that the secrets in the store are sealed under; keep a copy of it, and apart from backups of the data: \
         without the key they can't be read, and whoever has both can read them"
    );
    read_secret_key(&text)
}

/// The key in that file; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Secret>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it can't be opened: {error}")),
    };
    let most = u64::try_from(MAX_SECRET_KEY_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    // One byte more than a key has, so that a longer file is refused rather than cut.
    file.take(most + 1).read_to_string(&mut text).map_err(|error| format!("it can't be read: {error}"))?;
    read_secret_key(&text).map(Some)
}

/// Puts the key at `path`, whole or not at all, in place of nothing, and onto the disk itself.
fn make(data_dir: &Path, path: &Path, text: &str) -> io::Result<()> {
    let is_new_dir = !data_dir.exists();
    // What is kept there is people's data; a directory that is there already stays as it is.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
    // Of its own name, so that another process that does the same does not write into it.
    let draft = data_dir.join(format!("{OWN_FILE}.{}", hex::encode(&clock::entropy()[..8])));
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, this fails where there is a file already.
        fs::hard_link(&draft, path)
    };
    let written = write();
    // Where it was never made there is nothing to remove.
    let _ = fs::remove_file(&draft);
    written?;
    File::open(data_dir)?.sync_all()?;
    match data_dir.parent() {
        Some(parent) if is_new_dir && parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) if is_new_dir => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::config::Said;
    use crate::domain::ids::DeliveryId;
    use crate::domain::link::{Link, Purpose};
    use crate::domain::time::{Span, Timestamp};

    const CACHE: u64 = 1 << 20;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join("data").join(name)
        }

        fn sealer(&self, settings: &[(&str, &str)]) -> Result<Sealer, String> {
            let mut environment: Vec<(String, String)> =
                settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let data_dir = self.dir.path().join("data").display().to_string();
            environment.push(("STAGEPOST_DATA_DIR".to_owned(), data_dir));
            let (config, _) = Config::load(Said { environment: &environment, ..Said::default() }).unwrap();
            sealer(&config, &self.file("store"))
        }
    }

    const ONE: &str = "one-key-of-at-least-32-characters";
    const OTHER: &str = "another-key-of-at-least-32-characters";

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let place = Place::new();
        let id = place.sealer(&[]).unwrap().key_id();
        let path = place.file(OWN_FILE);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 64, "32 random bytes");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(place.file("")).unwrap().count(), 1, "no draft is left");
        assert_eq!(place.sealer(&[]).unwrap().key_id(), id);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        // The same text is the same key, wherever it is given.
        assert_eq!(place.sealer(&[("STAGEPOST_SECRET_KEY", &text)]).unwrap().key_id(), id);
        let file = path.display().to_string();
        assert_eq!(place.sealer(&[("STAGEPOST_SECRET_KEY_FILE", &file)]).unwrap().key_id(), id);
        assert_ne!(Place::new().sealer(&[]).unwrap().key_id(), id, "each has its own");
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let place = Place::new();
        fs::create_dir_all(place.file("")).unwrap();
        let path = place.file(OWN_FILE);
        fs::write(&path, "short").unwrap();
        let error = place.sealer(&[]).unwrap_err();
        assert!(error.contains("secret.key") && error.contains("32 characters"), "{error}");
        assert!(make(&place.file(""), &path, ONE).is_err(), "as when another process was quicker");
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(fs::read_dir(place.file("")).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_is_set_has_to_be_there_and_hold_a_key() {
        let place = Place::new();
        let path = place.dir.path().join("key");
        let set = [("STAGEPOST_SECRET_KEY_FILE", path.to_str().unwrap())];
        for text in [None, Some("hidden"), Some(&*"hidden".repeat(1000))] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let error = place.sealer(&set).unwrap_err();
            assert!(error.contains("STAGEPOST_SECRET_KEY_FILE") && !error.contains("hidden"), "{error}");
        }
        assert!(!place.file("").exists(), "nothing was made");
    }

    #[test]
    fn a_sealed_store_without_its_key_is_refused_before_anything_is_written() {
        let place = Place::new();
        let one = [("STAGEPOST_SECRET_KEY", ONE)];
        drop(SledStore::open(&place.file("store"), CACHE, place.sealer(&one).unwrap()).unwrap());
        let error = place.sealer(&[]).unwrap_err();
        assert!(
            error.contains("STAGEPOST_SECRET_KEY") && error.contains("STAGEPOST_SECRET_KEY_FILE"),
            "{error}"
        );
        assert!(!place.file(OWN_FILE).exists(), "no key is made that could not open anything");
    }

    #[test]
    fn servers_over_one_database_are_given_their_key() {
        let load = |environment: &[(&str, &str)]| {
            let environment: Vec<(String, String)> =
                environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let (config, _) = Config::load(Said { environment: &environment, ..Said::default() }).unwrap();
            shared_sealer(&config)
        };
        let error = load(&[]).unwrap_err();
        assert!(error.contains("STAGEPOST_SECRET_KEY") && error.contains("openssl rand -hex 32"), "{error}");
        let one = load(&[("STAGEPOST_SECRET_KEY", ONE)]).unwrap();
        assert_eq!(one.key_id(), load(&[("STAGEPOST_SECRET_KEY", ONE)]).unwrap().key_id());
    }

    #[test]
    fn links_are_signed_under_a_key_that_follows_from_the_same_secret() {
        let load = |environment: &[(&str, &str)]| {
            let environment: Vec<(String, String)> =
                environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let (config, _) = Config::load(Said { environment: &environment, ..Said::default() }).unwrap();
            link_key(&config).unwrap()
        };
        let now = Timestamp::from_millis(1_790_000_000_000);
        let link = Link {
            purpose: Purpose::Status(0),
            delivery: DeliveryId::from_bytes([1; 16]),
            expires_at: now.plus(Span::from_secs(1)),
        };
        let signed = load(&[("STAGEPOST_SECRET_KEY", ONE)]).sign(&link);
        for (settings, opened) in [
            (&[("STAGEPOST_SECRET_KEY", ONE)][..], true),
            (&[("STAGEPOST_SECRET_KEY", OTHER), ("STAGEPOST_SECRET_KEY_PREVIOUS", ONE)], true),
            (&[("STAGEPOST_SECRET_KEY", OTHER)], false),
            (&[("STAGEPOST_STORE", "memory:")], false),
        ] {
            assert_eq!(load(settings).open(&signed, now).is_ok(), opened, "{settings:?}");
        }
        // Without a setting: the one that was made for the store.
        let place = Place::new();
        place.sealer(&[]).unwrap();
        let data_dir = place.file("").display().to_string();
        let own = || load(&[("STAGEPOST_DATA_DIR", &data_dir)]);
        assert!(own().open(&own().sign(&link), now).is_ok());
    }

    #[test]
    fn the_previous_key_is_handed_on() {
        let sealed = Place::new().sealer(&[("STAGEPOST_SECRET_KEY", ONE)]).unwrap().seal(b"p", b"record");
        let both = [("STAGEPOST_SECRET_KEY", OTHER), ("STAGEPOST_SECRET_KEY_PREVIOUS", ONE)];
        let sealer = Place::new().sealer(&both).unwrap();
        assert_eq!(sealer.open(b"p", &sealed), Ok(b"record".to_vec()));
        assert!(!sealer.is_current(&sealed));
    }
}
