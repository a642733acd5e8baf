//! Why a post was refused: one table of codes, each with its HTTP status.

use std::fmt;

/// What kind of fault it is. The name goes to the sender and into metrics; it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A required field is absent, null, empty or blank.
    MissingField,
    /// A field has a value that it cannot have.
    InvalidField,
    /// Neither `userId` nor `anonymousId`.
    NoUserAnonId,
    /// A track call without the name of its event.
    NoEvent,
    /// A batch item of a type that does not exist.
    UnknownType,
    /// `messageId` is too long.
    MessageIdTooLong,
    /// The body is not JSON.
    MalformedJson,
    /// The body, or an item, is JSON but no object.
    NotAnObject,
    /// Objects and arrays are nested too deeply.
    TooDeep,
    /// One event is too large.
    EventTooLarge,
    /// The whole body is too large.
    BodyTooLarge,
    /// More events than a batch may have.
    BatchTooMany,
    /// The write key is not known, or belongs to another kind of source.
    InvalidWriteKey,
    /// There is no write key.
    MissingWriteKey,
    /// `X-Twilio-Signature` is absent or wrong.
    BadSignature,
    /// A link that was not made here, is for something else, or is too old.
    BadLink,
    /// A `Content-Encoding` or a kind of body that is not taken.
    UnsupportedEncoding,
    /// The body is not gzip although it says so.
    MalformedGzip,
    /// A form or query with a broken `%` escape.
    MalformedForm,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// A `{{…}}` that Studio did not replace.
    UnresolvedTemplate,
    /// The body ended before its announced length.
    IncompleteBody,
    /// The body took too long to arrive.
    BodyTimeout,
    /// Too much is waiting to be written.
    Busy,
    /// The server is stopping, or cannot write.
    Unavailable,
    /// There is nothing at this address.
    NotFound,
    /// The address does not take this method.
    MethodNotAllowed,
}

impl Code {
    /// The table.
    const fn row(self) -> (&'static str, u16) {
        match self {
            Self::MissingField => ("missing_field", 400),
            Self::InvalidField => ("invalid_field", 400),
            Self::NoUserAnonId => ("no_user_anon_id", 400),
            Self::NoEvent => ("no_event", 400),
            Self::UnknownType => ("unknown_type", 400),
            Self::MessageIdTooLong => ("message_id_too_long", 400),
            Self::MalformedJson => ("malformed_json", 400),
            Self::NotAnObject => ("not_an_object", 400),
            Self::TooDeep => ("too_deep", 400),
            Self::EventTooLarge => ("event_too_large", 413),
            Self::BodyTooLarge => ("body_too_large", 413),
            Self::BatchTooMany => ("batch_too_many", 400),
            Self::InvalidWriteKey => ("invalid_write_key", 401),
            Self::MissingWriteKey => ("missing_write_key", 401),
            Self::BadSignature => ("bad_signature", 403),
            Self::BadLink => ("bad_link", 403),
            Self::UnsupportedEncoding => ("unsupported_encoding", 400),
            Self::MalformedGzip => ("malformed_gzip", 400),
            Self::MalformedForm => ("malformed_form", 400),
            Self::InvalidUtf8 => ("invalid_utf8", 400),
            Self::UnresolvedTemplate => ("unresolved_template", 400),
            Self::IncompleteBody => ("incomplete_body", 400),
            Self::BodyTimeout => ("body_timeout", 408),
            Self::Busy => ("busy", 429),
            Self::Unavailable => ("unavailable", 503),
            Self::NotFound => ("not_found", 404),
            Self::MethodNotAllowed => ("method_not_allowed", 405),
        }
    }

    /// The name that senders see.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status of a request that is refused for it.
    pub const fn status(self) -> u16 {
        self.row().1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A post, or one item of a batch, cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IngestError {
    /// What kind of fault it is.
    pub code: Code,
    /// The field that is wrong, where one is.
    pub field: Option<String>,
    /// What is wrong and what to send instead, in words.
    pub message: String,
}

impl IngestError {
    /// A fault of the post as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, field: None, message: message.into() }
    }

    /// A fault of one field.
    pub fn at(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: Some(field.into()), message: message.into() }
    }

    /// `field` is absent, null, empty or blank.
    pub(super) fn missing(field: &str) -> Self {
        Self::at(Code::MissingField, field, format!("`{field}` is missing or empty"))
    }

    /// `field` has a value that it cannot have; `why` continues the sentence "`field` …".
    pub(super) fn invalid(field: &str, why: impl fmt::Display) -> Self {
        Self::at(Code::InvalidField, field, format!("`{field}` {why}"))
    }
}
