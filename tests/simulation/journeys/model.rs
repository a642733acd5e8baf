//! The plain model: everything that was acknowledged, kept as it came, and the truth recomputed from all of it.

use std::collections::BTreeMap;

/// A stage post that was acknowledged.
#[derive(Clone, Debug)]
pub struct Posted {
    pub message: String,
    pub sid: Option<u8>,
}

/// Everything that is known of one user.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Stage posts by flow, in the order they arrived.
    pub posts: BTreeMap<&'static str, Vec<Posted>>,
    /// Orders: when, and their total.
    pub orders: Vec<(i64, u32)>,
    /// Identifies: when, and the plan, in the order they arrived.
    pub plans: Vec<(i64, &'static str)>,
}

impl History {
    /// The plan that the newest identify set; of equally new ones the last to arrive.
    pub fn plan(&self) -> Option<&'static str> {
        let mut newest: Option<(i64, &'static str)> = None;
        for (at, plan) in &self.plans {
            if newest.is_none_or(|(known, _)| *at >= known) {
                newest = Some((*at, plan));
            }
        }
        newest.map(|(_, plan)| plan)
    }

    fn orders_within(&self, now: i64, window: i64, least: u32) -> usize {
        self.orders.iter().filter(|(at, total)| (now - window..=now).contains(at) && *total >= least).count()
    }
}

/// Whether the trait that an audience sets is true on the profile.
pub type Traits<'a> = &'a dyn Fn(&str) -> bool;

const HOUR: i64 = 3_600_000;

/// One form of one audience: its query, and the same in plain Rust.
pub struct Form {
    pub query: &'static str,
    pub holds: fn(&History, i64, Traits<'_>) -> bool,
}

/// Names of the audiences; the keys are the same.
pub const AUDIENCES: [&str; 3] = ["recent", "never", "pros"];

/// The forms of each audience.
pub const FORMS: [[Form; 3]; 3] = [
    [
        Form {
            query: "event('Order Completed').within(2 days).count() >= 1",
            holds: |history, now, _| history.orders_within(now, 48 * HOUR, 0) >= 1,
        },
        Form {
            query: "event('Order Completed').within(36 hours).count() >= 2",
            holds: |history, now, _| history.orders_within(now, 36 * HOUR, 0) >= 2,
        },
        Form {
            query: "event('Order Completed').where(property('total') >= 50).within(2 days).count() = 1",
            holds: |history, now, _| history.orders_within(now, 48 * HOUR, 50) == 1,
        },
    ],
    [
        Form {
            query: "event('Order Completed').count() = 0",
            holds: |history, _, _| history.orders.is_empty(),
        },
        Form {
            query: "event('Order Completed').count() <= 2 AND trait('plan').exists()",
            holds: |history, _, _| history.orders.len() <= 2 && history.plan().is_some(),
        },
        Form {
            query: "NOT event('Order Completed').within(1 days).count() >= 1",
            holds: |history, now, _| history.orders_within(now, 24 * HOUR, 0) == 0,
        },
    ],
    [
        Form { query: "trait('plan') = 'pro'", holds: |history, _, _| history.plan() == Some("pro") },
        Form {
            query: "trait('plan') = 'pro' AND NOT trait('recent') = 'true'",
            holds: |history, _, traits| history.plan() == Some("pro") && !traits("recent"),
        },
        Form {
            query: "trait('recent') = 'true' OR (trait('never') = true AND event('Order Completed').within(1 days).count() < 1)",
            holds: |history, now, traits| {
                traits("recent") || (traits("never") && history.orders_within(now, 24 * HOUR, 0) == 0)
            },
        },
    ],
];
