//! Prometheus text of what is counted only when somebody asks: the state of the store, the queue and the process.
//!
//! These are written out afresh at each scrape rather than kept as gauges, so that a definition that is gone leaves
//! no last value behind.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::domain::definition::Definitions;
use crate::domain::delivery;
use crate::domain::health::Health;
use crate::domain::journey::JourneyStatus;
use crate::domain::time::Span;
use crate::engine::Counts;

/// The label of deliveries whose destination is gone, so that their number of labels stays bounded.
const REMOVED: &str = "(removed)";

/// Text in Prometheus' format, written family by family.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a gauge.
    pub fn gauge(&mut self, name: &str, help: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    /// A value of the family that was begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let opening = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{opening}{label}=\"{}\"", escape(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A gauge with one value.
    pub fn single(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauge(name, help);
        self.sample(name, &[], value);
    }

    /// The running totals.
    pub fn counts(&mut self, counts: &Counts, definitions: &Definitions) {
        self.single("stagepost_events", "Events in the log", counts.events);
        self.single("stagepost_profiles", "Profiles", counts.profiles);
        self.gauge("stagepost_journeys", "Journeys by status");
        for status in JourneyStatus::ALL {
            let count = counts.journeys.get(&status).copied().unwrap_or(0);
            self.sample("stagepost_journeys", &[("status", status.as_str())], count);
        }
        self.gauge("stagepost_audience_members", "Members by audience");
        for audience in definitions.audiences.values() {
            let count = counts.members.get(&audience.id).copied().unwrap_or(0);
            self.sample("stagepost_audience_members", &[("audience", &audience.key)], count);
        }
        self.gauge("stagepost_deliveries", "Deliveries by destination and status");
        for ((destination, status), count) in by_known_destination(counts, definitions) {
            let labels = [("destination", destination), ("status", status)];
            self.sample("stagepost_deliveries", &labels, count);
        }
    }

    /// How destinations fare.
    pub fn healths(&mut self, healths: &BTreeMap<String, Health>, definitions: &Definitions) {
        self.gauge("stagepost_destination_state", "1 for the state that each destination is in");
        for key in definitions.destinations.keys() {
            let state = healths.get(key).map_or("healthy", Health::state);
            self.sample("stagepost_destination_state", &[("destination", key), ("state", state)], 1);
        }
    }

    /// For how long what is due has waited.
    pub fn lags(&mut self, lags: &BTreeMap<String, Span>, definitions: &Definitions) {
        let name = "stagepost_delivery_lag_seconds";
        self.gauge(name, "How long the delivery that is due for longest has waited, by destination");
        for key in definitions.destinations.keys().map(String::as_str).chain([delivery::EMAIL]) {
            #[allow(clippy::cast_precision_loss, reason = "milliseconds of a few years are exact")]
            let seconds = lags.get(key).map_or(0.0, |lag| lag.millis() as f64 / 1000.0);
            self.sample(name, &[("destination", key)], seconds);
        }
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.0
    }
}

fn by_known_destination<'a>(
    counts: &'a Counts,
    definitions: &Definitions,
) -> BTreeMap<(&'a str, &'static str), u64> {
    let mut sums = BTreeMap::new();
    for ((destination, status), count) in &counts.deliveries {
        let known = destination == delivery::EMAIL || definitions.destinations.contains_key(destination);
        let label = if known { destination.as_str() } else { REMOVED };
        *sums.entry((label, *status)).or_default() += count;
    }
    sums
}

/// A label's value with what the format can't hold written as it asks.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The resident memory in bytes, from the text of `/proc/self/status`.
pub fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_format() {
        let mut text = Exposition::default();
        text.gauge("stagepost_x", "Some x");
        text.sample("stagepost_x", &[("a", "say \"hi\"\\\n"), ("b", "2")], 7);
        text.single("stagepost_y", "One y", 1.5);
        assert_eq!(
            text.finish(),
            "# HELP stagepost_x Some x\n# TYPE stagepost_x gauge\n\
             stagepost_x{a=\"say \\\"hi\\\"\\\\\\n\",b=\"2\"} 7\n\
             # HELP stagepost_y One y\n# TYPE stagepost_y gauge\nstagepost_y 1.5\n"
        );
    }

    #[test]
    fn destinations_that_are_gone_share_one_label() {
        let mut counts = Counts::default();
        for (destination, count) in [("email", 1), ("old", 2), ("older", 3)] {
            counts.deliveries.insert((destination.to_owned(), "dead"), count);
        }
        let sums = by_known_destination(&counts, &Definitions::default());
        assert_eq!(sums.get(&("email", "dead")), Some(&1));
        assert_eq!(sums.get(&(REMOVED, "dead")), Some(&5));
        assert_eq!(sums.len(), 2);
    }

    #[test]
    fn reads_resident_memory() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2_097_152));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}
