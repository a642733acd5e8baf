//! A user with a hundred thousand entries.
