//! Computations in all their forms: what is written in a definition, and the same in plain Rust.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stagepost::domain::event::{Call, Event};

use crate::machine::HOUR;

/// The value of a trait by its name.
pub type TraitOf<'a> = Box<dyn Fn(&str) -> Option<Value> + 'a>;

/// What a form sees of a person or an account.
pub struct View<'a> {
    /// The events that count.
    pub events: Vec<&'a Event>,
    pub now: i64,
    /// The value of a trait, computed ones too.
    pub traits: TraitOf<'a>,
    /// The people of an account.
    pub users: Vec<View<'a>>,
}

/// One form of a computation.
pub struct Form {
    pub query: &'static str,
    pub value: fn(&View<'_>) -> Value,
}

/// A computation.
pub struct Spec {
    /// Its name and key.
    pub key: &'static str,
    /// `audience` or `trait`.
    pub table: &'static str,
    pub is_of_accounts: bool,
    pub emit: &'static [&'static str],
    pub forms: &'static [Form],
}

const DAY: i64 = 24 * HOUR;
const ORDER: &str = "Order Completed";
const ADDED: &str = "Product Added";

impl<'a> View<'a> {
    fn named(&self, name: &str) -> Vec<&'a Event> {
        let is_named = |event: &Event| matches!(&event.call, Call::Track { event, .. } if event == name);
        let mut found: Vec<&Event> = self.events.iter().copied().filter(|event| is_named(event)).collect();
        found.sort_by_key(|event| (event.timestamp, event.received_at, event.message_id.clone()));
        found
    }

    /// Those between these ages.
    fn aged(&self, name: &str, near: i64, far: i64) -> Vec<&'a Event> {
        let times = self.now - far..=self.now - near;
        self.named(name).into_iter().filter(|event| times.contains(&event.timestamp.millis())).collect()
    }

    fn within(&self, name: &str, far: i64) -> Vec<&'a Event> {
        self.aged(name, 0, far)
    }

    /// The last run of orders without a longer pause, while it goes on.
    fn session(&self, gap: i64) -> Vec<&'a Event> {
        let mut run = self.named(ORDER);
        run.retain(|event| event.timestamp.millis() <= self.now);
        let Some(last) = run.last() else { return run };
        if self.now - last.timestamp.millis() > gap {
            return Vec::new();
        }
        let is_pause = |pair: &[&Event]| pair[1].timestamp.millis() - pair[0].timestamp.millis() > gap;
        let start = run.windows(2).rposition(is_pause).map_or(0, |place| place + 1);
        run.split_off(start)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        (self.traits)(name).is_some_and(|known| known == value)
    }

    fn is_in(&self, audience: &str) -> bool {
        (self.traits)(audience) == Some(Value::Bool(true))
    }

    fn number(&self, name: &str) -> Option<f64> {
        (self.traits)(name).and_then(|value| value.as_f64())
    }

    fn any(&self, holds: impl Fn(&View<'_>) -> bool) -> Value {
        self.users.iter().any(holds).into()
    }

    /// Whether it is true of everybody, and there is somebody.
    fn all(&self, holds: impl Fn(&View<'_>) -> bool) -> Value {
        (!self.users.is_empty() && self.users.iter().all(holds)).into()
    }
}

fn property<'e>(event: &'e Event, name: &str) -> &'e Value {
    let Call::Track { properties, .. } = &event.call else { return &Value::Null };
    properties.get(name).unwrap_or(&Value::Null)
}

fn totals(events: &[&Event]) -> Vec<u64> {
    events.iter().filter_map(|event| property(event, "total").as_u64()).collect()
}

fn skus(events: &[&Event]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for sku in events.iter().filter_map(|event| property(event, "sku").as_str()) {
        *counts.entry(sku.to_owned()).or_default() += 1;
    }
    counts
}

fn dear(events: &[&Event], least: u64) -> usize {
    totals(events).into_iter().filter(|total| *total >= least).count()
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn average(events: &[&Event]) -> Value {
    let totals = totals(events);
    if totals.is_empty() {
        return Value::Null;
    }
    let average = totals.iter().sum::<u64>() as f64 / totals.len() as f64;
    json!(average)
}

fn mode(events: &[&Event], least: usize) -> Value {
    let counts = skus(events);
    let most = counts.values().max().copied().unwrap_or(0);
    if most < least {
        return Value::Null;
    }
    counts.into_iter().find(|(_, count)| *count == most).map(|(sku, _)| sku).into()
}

/// Every computation of the world.
pub const SPECS: &[Spec] = &[
    Spec {
        key: "recent",
        table: "audience",
        is_of_accounts: false,
        emit: &["identify", "track"],
        forms: &[
            Form {
                query: "event('Order Completed').within(2 days).count() >= 1",
                value: |view| (!view.within(ORDER, 2 * DAY).is_empty()).into(),
            },
            Form {
                query: "event('Order Completed').where(property('total') >= 50).within(36 hours).count() = 2",
                value: |view| (dear(&view.within(ORDER, 36 * HOUR), 50) == 2).into(),
            },
            Form {
                query: "event('Order Completed').between(1 days, 3 days).count() >= 1",
                value: |view| (!view.aged(ORDER, DAY, 3 * DAY).is_empty()).into(),
            },
            Form {
                query: "event('Order Completed').within(3 days).count() >= 100",
                value: |view| (view.within(ORDER, 3 * DAY).len() >= 100).into(),
            },
        ],
    },
    Spec {
        key: "never",
        table: "audience",
        is_of_accounts: false,
        emit: &["identify"],
        forms: &[
            Form {
                query: "event('Order Completed').count() = 0",
                value: |view| view.named(ORDER).is_empty().into(),
            },
            Form {
                query: "NOT event('Order Completed').within(1 days).count() >= 1",
                value: |view| view.within(ORDER, DAY).is_empty().into(),
            },
            Form {
                query: "trait('plan').absent() OR event('Product Added').count() <= 2",
                value: |view| ((view.traits)("plan").is_none() || view.named(ADDED).len() <= 2).into(),
            },
        ],
    },
    Spec {
        key: "abandoned",
        table: "audience",
        is_of_accounts: false,
        emit: &["identify"],
        forms: &[
            Form {
                query: "event('Product Added').where(event('Order Completed').within(parent: 1 days).count() = 0)\
                        .within(3 days).count() >= 1",
                value: |view| {
                    let orders = view.named(ORDER);
                    let is_abandoned = |added: &&Event| {
                        let added = added.timestamp.millis();
                        let after = added + 1..=added + DAY;
                        !orders.iter().any(|order| after.contains(&order.timestamp.millis()))
                    };
                    view.within(ADDED, 3 * DAY).iter().any(is_abandoned).into()
                },
            },
            Form {
                query: "event('Order Completed').where(property('total') > trait('limit')).within(2 days).count() >= 1",
                value: |view| {
                    let limit = view.number("limit");
                    let orders = totals(&view.within(ORDER, 2 * DAY));
                    let is_over = |total: u64| limit.is_some_and(|limit| json!(total).as_f64() > Some(limit));
                    orders.into_iter().any(is_over).into()
                },
            },
        ],
    },
    Spec {
        key: "pros",
        table: "audience",
        is_of_accounts: false,
        emit: &["track"],
        forms: &[
            Form {
                query: "trait('plan') = 'pro' AND NOT trait('recent') = true",
                value: |view| (view.is("plan", "pro") && !view.is_in("recent")).into(),
            },
            Form {
                query: "trait('spend') >= 100",
                value: |view| view.number("spend").is_some_and(|spend| spend >= 100.0).into(),
            },
            Form {
                query: "trait('recent') = 'true' OR (trait('never') = true AND trait('plan').exists())",
                value: |view| {
                    let is_planned = (view.traits)("plan").is_some();
                    (view.is_in("recent") || (view.is_in("never") && is_planned)).into()
                },
            },
        ],
    },
    Spec {
        key: "spend",
        table: "trait",
        is_of_accounts: false,
        emit: &["identify", "track"],
        forms: &[
            Form {
                query: "event('Order Completed').within(3 days).sum(property('total'))",
                value: |view| totals(&view.within(ORDER, 3 * DAY)).into_iter().sum::<u64>().into(),
            },
            Form {
                query: "event('Order Completed').within(3 days).avg(property('total'))",
                value: |view| average(&view.within(ORDER, 3 * DAY)),
            },
            Form {
                query: "event('Order Completed').within(2 days).max(property('total'))",
                value: |view| totals(&view.within(ORDER, 2 * DAY)).into_iter().max().into(),
            },
            Form {
                query: "event('Order Completed').sum(property('total'))",
                value: |view| totals(&view.named(ORDER)).into_iter().sum::<u64>().into(),
            },
        ],
    },
    Spec {
        key: "orders",
        table: "trait",
        is_of_accounts: false,
        emit: &["identify"],
        forms: &[
            Form {
                query: "event('Order Completed').within(2 days).count()",
                value: |view| view.within(ORDER, 2 * DAY).len().into(),
            },
            Form {
                query: "event('Order Completed').expires_after(2 hours).count()",
                value: |view| view.session(2 * HOUR).len().into(),
            },
            Form {
                query: "event('Order Completed').expires_after(12 hours).sum(property('total'))",
                value: |view| totals(&view.session(12 * HOUR)).into_iter().sum::<u64>().into(),
            },
        ],
    },
    Spec {
        key: "taste",
        table: "trait",
        is_of_accounts: false,
        emit: &["track"],
        forms: &[
            Form {
                query: "event('Order Completed').last(property('sku'))",
                value: |view| view.named(ORDER).last().map_or(Value::Null, |it| property(it, "sku").clone()),
            },
            Form {
                query: "event('Order Completed').within(2 days).first(property('sku'))",
                value: |view| {
                    let orders = view.within(ORDER, 2 * DAY);
                    orders.first().map_or(Value::Null, |it| property(it, "sku").clone())
                },
            },
            Form {
                query: "event('Order Completed').within(3 days).unique(property('sku'))",
                value: |view| skus(&view.within(ORDER, 3 * DAY)).into_keys().collect(),
            },
            Form {
                query: "event('Order Completed').mode(property('sku'), 2)",
                value: |view| mode(&view.named(ORDER), 2),
            },
            Form {
                query: "event('Order Completed').within(3 days).mode(property('sku'), 2)",
                value: |view| mode(&view.within(ORDER, 3 * DAY), 2),
            },
        ],
    },
    Spec {
        key: "active",
        table: "audience",
        is_of_accounts: true,
        emit: &["identify"],
        forms: &[
            Form {
                query: "ANY event('Order Completed').within(2 days).count() >= 1",
                value: |view| view.any(|user| !user.within(ORDER, 2 * DAY).is_empty()),
            },
            Form {
                query: "ALL event('Order Completed').count() >= 1",
                value: |view| view.all(|user| !user.named(ORDER).is_empty()),
            },
            Form {
                query: "ALL NOT event('Order Completed').within(1 days).count() >= 1",
                value: |view| view.all(|user| user.within(ORDER, DAY).is_empty()),
            },
            Form {
                query: "ANY trait('recent') = true AND NOT ALL trait('plan') = 'pro'",
                value: |view| {
                    let all = view.all(|user| user.is("plan", "pro")) == Value::Bool(true);
                    let any = view.any(|user| user.is_in("recent")) == Value::Bool(true);
                    (any && !all).into()
                },
            },
        ],
    },
    Spec {
        key: "big",
        table: "audience",
        is_of_accounts: true,
        emit: &["identify"],
        forms: &[
            Form {
                query: "event('Order Completed').within(3 days).count() >= 3",
                value: |view| (view.within(ORDER, 3 * DAY).len() >= 3).into(),
            },
            Form {
                query: "event('Order Completed').count() = 0 OR trait('volume') >= 200",
                value: |view| {
                    let is_large = view.number("volume").is_some_and(|volume| volume >= 200.0);
                    (view.named(ORDER).is_empty() || is_large).into()
                },
            },
            Form {
                query: "trait('tier') = 'gold' AND ANY event('Product Added').count() >= 1",
                value: |view| {
                    let any = view.any(|user| !user.named(ADDED).is_empty()) == Value::Bool(true);
                    (view.is("tier", "gold") && any).into()
                },
            },
        ],
    },
    Spec {
        key: "volume",
        table: "trait",
        is_of_accounts: true,
        emit: &["identify"],
        forms: &[
            Form {
                query: "event('Order Completed').sum(property('total'))",
                value: |view| totals(&view.named(ORDER)).into_iter().sum::<u64>().into(),
            },
            Form {
                query: "event('Order Completed').within(2 days).unique(property('sku'))",
                value: |view| skus(&view.within(ORDER, 2 * DAY)).into_keys().collect(),
            },
        ],
    },
];
