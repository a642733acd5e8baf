//! What a reader writes beside the button.

use actix_web::http::StatusCode;

use super::page::Page;
use crate::domain::limits;

/// A form that was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Who acts; may be empty.
    pub name: String,
    /// Why; may be empty.
    pub note: String,
}

impl Form {
    /// Reads `name=…&note=…`. Other fields are somebody else's: `List-Unsubscribe=One-Click` is a mail program's.
    ///
    /// # Errors
    /// The page that says so, when one of them is too long.
    pub fn read(body: &[u8]) -> Result<Self, Page> {
        let mut form = Self::default();
        for (field, value) in form_urlencoded::parse(body) {
            let (place, most) = match &*field {
                "name" => (&mut form.name, limits::MAX_BY),
                "note" => (&mut form.note, limits::MAX_REASON),
                _ => continue,
            };
            if value.chars().count() > most {
                let text = format!(
                    "The {field} has at most {most} characters. Nothing was done; go back and shorten it."
                );
                return Err(Page::problem(StatusCode::BAD_REQUEST, "That is too long", &text));
            }
            *place = value.trim().to_owned();
        }
        Ok(form)
    }
}

/// The body is more than a form can be, or did not arrive.
pub(super) fn too_large() -> Page {
    let text = "Nothing was done: the form was too large, or broke off.";
    Page::problem(StatusCode::PAYLOAD_TOO_LARGE, "That is too long", text)
}
