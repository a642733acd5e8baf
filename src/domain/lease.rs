//! Leases: which of several nodes does what only one of them is to do.
//!
//! A lease has a name and ends by itself: a node that dies, or hangs, loses what it held. What is written is safe without leases
//! (a store that several nodes share refuses what was decided on something old); they save double work, and see to it that what
//! leaves one destination leaves it from one node.

use super::time::Span;

/// What the name of the lease begins with that a node holds while it is alive.
pub const NODE: &str = "node/";

/// What a node asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseAsk {
    /// Leases that it holds and wants to go on holding; one that was lost meanwhile stays lost.
    pub keep: Vec<String>,
    /// Leases that it would take, should nobody hold them.
    pub take: Vec<String>,
    /// Leases that it holds and wants no more.
    pub give_up: Vec<String>,
}

/// A lease that somebody holds, or held until just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What of.
    pub name: String,
    /// The node that holds it.
    pub holder: String,
    /// How long from now on; zero or less: it is over.
    pub left: Span,
}
