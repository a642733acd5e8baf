//! What users do in the shop: they look at pages and products, and some of them order.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::cast::{User, pick};
use super::plan::{Planned, SHOP, post};
use super::week::Week;
use crate::domain::event::Call;
use crate::domain::time::{Span, Timestamp};

/// Products: name, category, price in euros.
const PRODUCTS: [(&str, &str, f64); 10] = [
    ("Blood pressure monitor", "devices", 64.9),
    ("Thermometer", "devices", 24.5),
    ("Pulse oximeter", "devices", 39.0),
    ("Vitamin D, 90 tablets", "supplements", 14.95),
    ("Magnesium, 60 tablets", "supplements", 17.5),
    ("Omega 3, 120 capsules", "supplements", 29.9),
    ("Back support", "comfort", 79.0),
    ("Neck pillow", "comfort", 44.9),
    ("Compression socks", "comfort", 27.95),
    ("First aid kit", "home", 32.0),
];
const PAGES: [&str; 5] = ["Home", "Opening hours", "Our doctors", "Shop", "Prices"];

/// The visits of one user.
pub(super) fn visits(user: &User, week: Week, random: &mut StdRng, planned: &mut Vec<Planned>) {
    let most = 1.0 + user.keenness * 8.0;
    // Cut off, which is what is wanted: at most nine.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 9")]
    let count = random.random_range(0.0..most).round() as usize;
    for number in 0..count {
        let at = if number == 8 { week.of_late(random) } else { week.moment(random) };
        visit(user, at, random, planned);
    }
}

fn visit(user: &User, begin: Timestamp, random: &mut StdRng, planned: &mut Vec<Planned>) {
    let mut at = begin;
    let mut later = |random: &mut StdRng| {
        at = at.plus(Span::from_secs(random.random_range(10..180)));
        at
    };
    planned.push(page(begin, user, pick(&PAGES, random)));
    let mut basket = Vec::new();
    for _ in 0..random.random_range(0..5) {
        let product = PRODUCTS[random.random_range(0..PRODUCTS.len())];
        planned.push(track(later(random), user, "Product Viewed", of_product(product)));
        if random.random_bool(0.35) {
            planned.push(track(later(random), user, "Product Added", of_product(product)));
            basket.push(product);
        }
    }
    if !basket.is_empty() && random.random_bool(0.7) {
        let order = order(&basket, random);
        planned.push(track(later(random), user, "Order Completed", order));
    }
}

fn order(basket: &[(&str, &str, f64)], random: &mut StdRng) -> Map<String, Value> {
    let cents = |price: f64| (price * 100.0).round() / 100.0;
    let total = basket.iter().map(|(_, _, price)| price).sum::<f64>();
    let number: u32 = random.random_range(100_000..1_000_000);
    properties(json!({
        "orderId": format!("o{number}"),
        "total": cents(total),
        "currency": "EUR",
        "products": basket.iter().map(|(name, _, _)| *name).collect::<Vec<_>>(),
    }))
}

fn of_product((name, category, price): (&str, &str, f64)) -> Map<String, Value> {
    properties(json!({ "name": name, "category": category, "price": price }))
}

fn properties(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn page(at: Timestamp, user: &User, name: &str) -> Planned {
    let call = Call::Page { name: Some(name.to_owned()), category: None, properties: Map::new() };
    post(at, SHOP, user, call)
}

fn track(at: Timestamp, user: &User, event: &str, properties: Map<String, Value>) -> Planned {
    post(at, SHOP, user, Call::Track { event: event.to_owned(), properties })
}
