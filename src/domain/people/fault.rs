//! What can be wrong with an address, a name or a password that somebody types.

use crate::domain::limits;

/// What is wrong with it. In English here; the console says it by [`Fault::code`] in words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The address has more than [`limits::MAX_LOGIN_BYTES`].
    #[error("has more than {} bytes", limits::MAX_LOGIN_BYTES)]
    AddressTooLong,
    /// It is no mail address.
    #[error("is not a mail address such as ann@example.com")]
    NoAddress,
    /// The name is empty.
    #[error("is empty")]
    NoName,
    /// The name has more than [`limits::MAX_PERSON_NAME`] characters, or several lines.
    #[error("must have at most {} characters, on one line", limits::MAX_PERSON_NAME)]
    NameTooLong,
    /// The password has less than [`limits::MIN_PASSWORD_CHARS`].
    #[error(
        "has to have at least {} characters; a few words with spaces make a good one",
        limits::MIN_PASSWORD_CHARS
    )]
    PasswordTooShort,
    /// The password has more than [`limits::MAX_PASSWORD_BYTES`].
    #[error("has more than {} bytes", limits::MAX_PASSWORD_BYTES)]
    PasswordTooLong,
    /// The password is one character again and again.
    #[error("is one character again and again")]
    PasswordRepeats,
    /// The password is what he signs in with.
    #[error("is the mail address")]
    PasswordIsAddress,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AddressTooLong,
        Self::NoAddress,
        Self::NoName,
        Self::NameTooLong,
        Self::PasswordTooShort,
        Self::PasswordTooLong,
        Self::PasswordRepeats,
        Self::PasswordIsAddress,
    ];

    /// Its name, and the bound that it is about, where there is one.
    pub fn code(self) -> (&'static str, Option<usize>) {
        match self {
            Self::AddressTooLong => ("address_too_long", Some(limits::MAX_LOGIN_BYTES)),
            Self::NoAddress => ("no_address", None),
            Self::NoName => ("no_name", None),
            Self::NameTooLong => ("name_too_long", Some(limits::MAX_PERSON_NAME)),
            Self::PasswordTooShort => ("password_too_short", Some(limits::MIN_PASSWORD_CHARS)),
            Self::PasswordTooLong => ("password_too_long", Some(limits::MAX_PASSWORD_BYTES)),
            Self::PasswordRepeats => ("password_repeats", None),
            Self::PasswordIsAddress => ("password_is_address", None),
        }
    }
}
