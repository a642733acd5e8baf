//! One suite for every store backend, a model test between the two, and what only sled has to show.

mod build;
mod model;
mod picture;
mod sled_only;
mod suite;
