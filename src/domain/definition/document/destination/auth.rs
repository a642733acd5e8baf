//! `auth`: who says that a webhook action may call.

use super::super::check;
use crate::domain::definition::Auth;
use crate::domain::definition::document::reader::{Field, Table};

#[derive(Clone, Copy)]
enum Word {
    Bearer,
    Basic,
    OAuth2,
}

const TYPES: [(&str, Word); 3] = [("bearer", Word::Bearer), ("basic", Word::Basic), ("oauth2", Word::OAuth2)];

pub(super) fn read(field: &Field<'_, '_>) -> Option<Auth> {
    let mut table = field.table()?;
    // The other keys follow from the type.
    let auth = match table.required("type").and_then(|field| field.choice(&TYPES, &[]))? {
        Word::Bearer => text(&mut table, "token").map(|token| Auth::Bearer { token }),
        Word::Basic => basic(&mut table),
        Word::OAuth2 => oauth2(&mut table),
    };
    table.close(&[]);
    auth
}

fn text(table: &mut Table<'_, '_>, key: &'static str) -> Option<String> {
    table.required(key).and_then(|field| field.parse(check::header_value)).map(str::to_owned)
}

fn basic(table: &mut Table<'_, '_>) -> Option<Auth> {
    let user = table.required("user").and_then(|field| field.parse(user_name)).map(str::to_owned);
    let password = table.required("password").and_then(|field| field.parse(check::secret));
    Some(Auth::Basic { user: user?, password: password?.to_owned() })
}

fn user_name(text: &str) -> Result<&str, String> {
    if text.contains(':') {
        return Err("must not hold a `:`, which ends the user name (RFC 7617)".to_owned());
    }
    check::secret(text)
}

fn oauth2(table: &mut Table<'_, '_>) -> Option<Auth> {
    let token_url = table.required("token_url").and_then(|field| field.parse(check::http_url));
    let client_id = text(table, "client_id");
    let client_secret = table.required("client_secret").and_then(|field| field.parse(check::secret));
    let mut optional =
        |key| table.optional(key).and_then(|field: Field<'_, '_>| field.parse(check::header_value));
    let (scope, audience) = (optional("scope"), optional("audience"));
    Some(Auth::OAuth2 {
        token_url: token_url?.to_owned(),
        client_id: client_id?,
        client_secret: client_secret?.to_owned(),
        scope: scope.map(str::to_owned),
        audience: audience.map(str::to_owned),
    })
}
