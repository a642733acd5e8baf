//! The few names and values of one case. Queries and posts draw from the same, so that they meet.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::case::START;
use crate::language::{Duration, Millis};
use crate::value::{Writing, write};

/// What kind of values are found somewhere, as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number,
    Text,
    Date,
    Boolean,
}

pub const SOURCES: [&str; 2] = ["src_web", "src_app"];
pub const EVENTS: [&str; 4] = ["Bought", "Viewed", "Page Viewed", "Screen Viewed"];

pub const PROPERTIES: [(&str, Kind); 11] = [
    ("price", Kind::Number),
    ("cost", Kind::Number),
    ("sku", Kind::Text),
    ("cat", Kind::Text),
    ("when", Kind::Date),
    ("items.$.sku", Kind::Text),
    ("items.0.sku", Kind::Text),
    ("items.$.qty", Kind::Number),
    ("addr.city", Kind::Text),
    ("a\\.b", Kind::Text),
    ("gift", Kind::Boolean),
];
pub const TRAITS: [(&str, Kind); 6] = [
    ("age", Kind::Number),
    ("plan", Kind::Text),
    ("born", Kind::Date),
    ("vip", Kind::Boolean),
    ("tags.$", Kind::Text),
    ("addr.city", Kind::Text),
];
const NUMBERS: [&str; 9] = ["0", "1", "2", "2.5", "3", "10", "-1", "0.3", "0.1"];
const TEXTS: [&str; 12] = ["A", "B", "a", "ab", "b", "5", "10", "2.50", "true", "", "é'\"\\", "Gent"];

/// What one case is made of.
#[derive(Clone, Debug)]
pub struct Theme {
    /// Names of events; the likelier ones several times.
    pub events: Vec<&'static str>,
    pub properties: Vec<(&'static str, Kind)>,
    pub traits: Vec<(&'static str, Kind)>,
    pub numbers: Vec<&'static str>,
    pub texts: Vec<&'static str>,
    pub dates: Vec<Millis>,
    /// Lengths of time.
    pub spans: Vec<Duration>,
    /// Whether some come before it is known who they are.
    pub visitors: bool,
    /// Whether somebody does a great deal, so that what is kept of him does not fit into one place.
    pub busy: bool,
}

impl Theme {
    pub fn new(rng: &mut StdRng) -> Self {
        let some = |rng: &mut StdRng, least: usize, most: usize| rng.random_range(least..=most);
        let spans = spans(rng);
        let mut properties = PROPERTIES.to_vec();
        properties.shuffle(rng);
        properties.truncate(some(rng, 2, 4));
        let mut traits = TRAITS.to_vec();
        traits.shuffle(rng);
        traits.truncate(some(rng, 1, 3));
        let mut numbers = NUMBERS.to_vec();
        numbers.shuffle(rng);
        numbers.truncate(some(rng, 2, 4));
        let mut texts = TEXTS.to_vec();
        texts.shuffle(rng);
        texts.truncate(some(rng, 2, 4));
        let mut dates = Vec::new();
        for _ in 0..some(rng, 1, 3) {
            let span = spans.choose(rng).expect("some spans").millis() * rng.random_range(-1..3);
            dates.push(START + span + rng.random_range(-1..2));
        }
        let mut events = vec!["Bought", "Bought"];
        events.extend(EVENTS[1..].choose_multiple(rng, 1));
        if rng.random_bool(0.3) {
            events.extend(EVENTS[1..].choose(rng));
        }
        let visitors = rng.random_bool(0.3);
        let busy = rng.random_bool(0.03);
        Self { events, properties, traits, numbers, texts, dates, spans, visitors, busy }
    }

    /// One of the dates as text.
    pub fn date(&self, rng: &mut StdRng, writings: &[Writing]) -> String {
        let at = *self.dates.choose(rng).expect("some dates");
        write(at, *writings.choose(rng).expect("a writing"))
    }
}

/// Two or three lengths of time.
fn spans(rng: &mut StdRng) -> Vec<Duration> {
    let mut all = vec![
        Duration::new(1, "hour"),
        Duration::new(2, "hours"),
        Duration::new(1, "day"),
        Duration::new(36, "hours"),
        Duration::new(2, "days"),
        Duration::new(7, "days"),
        Duration::new(30, "days"),
        Duration::new(90, "days"),
    ];
    all.shuffle(rng);
    all.truncate(rng.random_range(2..4));
    all
}
