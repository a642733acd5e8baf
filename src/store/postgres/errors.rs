//! What the database says, as errors of a store.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// What a failed call means for whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is lost, or the server can't serve just now: nobody knows what became of the call.
    Away,
    /// Nothing of the transaction took place, and it may well when it is done again: a deadlock, or another transaction that
    /// can't be put in an order with it.
    Again,
    /// It took too long, or waited too long for others, and was broken off: to do it again at once would make that worse.
    Overloaded,
    /// Something is larger than the database takes.
    TooLarge,
    /// It is refused, and would be again.
    Refused,
}

/// What `error` means.
pub(super) fn failure(error: &Error) -> Failure {
    let Some(code) = error.code() else {
        // Without a code it is no word of the database's: the connection ended, or said something that makes no sense.
        return Failure::Away;
    };
    match code.code() {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Failure::Again,
        // query_canceled: took too long; lock_not_available
        "57014" | "55P03" => Failure::Overloaded,
        // read_only_sql_transaction: a standby, or what was the primary until just now
        "25006" => Failure::Away,
        // idle_in_transaction_session_timeout: we stood still for too long
        "25P03" => Failure::Away,
        other => match other.get(..2) {
            // connection exception, insufficient resources, operator intervention (a shutdown), system error
            Some("08" | "53" | "57" | "58") => Failure::Away,
            // program limit exceeded
            Some("54") => Failure::TooLarge,
            _ => Failure::Refused,
        },
    }
}

/// Whether the same is worth asking once more, of another connection: this one is lost, or no use. A server that is short of
/// something is left in peace.
pub(super) fn is_worth_another(error: &Error) -> bool {
    let is_short = error.code().is_some_and(|code| code.code().starts_with("53"));
    matches!(failure(error), Failure::Away | Failure::Again) && !is_short
}

/// What `error` says, without the values that PostgreSQL puts into its details.
pub(super) fn text(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The error of a call to the database at `place`, while a node starts; later it is [`super::connect::Link::failed`].
pub(super) fn of_call(place: &str, error: &Error) -> StoreError {
    let (place, detail) = (place.to_owned(), text(error));
    match failure(error) {
        Failure::Away => StoreError::Away { place, detail },
        Failure::Again | Failure::Overloaded => StoreError::Overloaded { place, detail },
        Failure::TooLarge => {
            StoreError::Unsound { place, detail: "the database takes no row as large as that" }
        }
        Failure::Refused => StoreError::Refused { place, detail },
    }
}

/// The error of an attempt to connect to the database at `place`: where it was reached and does not want us, it is of no use
/// to try again.
pub(super) fn of_connect(place: &str, error: &Error) -> StoreError {
    let (place, detail) = (place.to_owned(), text(error));
    if is_unwelcome(error) {
        StoreError::Refused { place, detail }
    } else {
        StoreError::Away { place, detail }
    }
}

/// Whether there is no such user or database, or the password is wrong.
fn is_unwelcome(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME)
}
