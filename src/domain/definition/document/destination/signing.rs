//! `shared_secret` and `signing_secrets`.

use super::super::check;
use crate::domain::definition::document::reader::Table;
use crate::domain::definition::secrets::stands_for_one;
use crate::domain::definition::{Signing, signing_key};
use crate::domain::limits::{MAX_SIGNING_SECRETS, SIGNING_SECRET_BYTES};

pub(super) fn read(table: &mut Table<'_, '_>) -> Signing {
    let shared_secret = table.optional("shared_secret").and_then(|field| field.parse(check::secret));
    let mut signing_secrets = Vec::new();
    if let Some(field) = table.optional("signing_secrets") {
        let items = field.items(MAX_SIGNING_SECRETS).unwrap_or_default();
        if field.value.as_array().is_some_and(Vec::is_empty) {
            field.problem("name at least one secret, or leave it out");
        }
        signing_secrets.extend(items.iter().filter_map(|item| item.parse(signing_secret)).map(str::to_owned));
    }
    Signing { shared_secret: shared_secret.map(str::to_owned), signing_secrets }
}

/// A secret in the form of Standard Webhooks.
fn signing_secret(text: &str) -> Result<&str, String> {
    let (least, most) = SIGNING_SECRET_BYTES;
    if stands_for_one(text) || signing_key(text).is_ok_and(|key| (least..=most).contains(&key.len())) {
        return Ok(text);
    }
    Err(format!("must be whsec_ and then the Base64 of {least} to {most} bytes"))
}
