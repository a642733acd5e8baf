//! What is measured while running, kept for `/metrics`: the recorder, and the name and meaning of every metric.

use std::fmt;
use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Events that a source handed in and that were kept: label `source`.
pub const INGEST_EVENTS: &str = "stagepost_ingest_events_total";
/// Posts, and items of batches, that were refused: label `code`.
pub const INGEST_REJECTED: &str = "stagepost_ingest_rejected_total";
/// Calls that were not sent to a destination: labels `destination` and `reason` (`not_connected`, `integrations`, `filter`,
/// `trigger` or `fault`).
pub const EVENTS_NOT_SENT: &str = "stagepost_events_not_sent_total";
/// Seconds from the last byte of a post to its answer.
pub const INGEST_DURATION: &str = "stagepost_ingest_duration_seconds";
/// Events in one commit.
pub const COMMIT_EVENTS: &str = "stagepost_commit_events";
/// Seconds that one commit took, its sync included.
pub const COMMIT_DURATION: &str = "stagepost_commit_duration_seconds";
/// Timers that were looked at because they were due.
pub const TIMERS_FIRED: &str = "stagepost_timers_fired_total";
/// Seconds between a timer's time and when it was looked at.
pub const TIMER_LATENESS: &str = "stagepost_timer_lateness_seconds";
/// Timers that were due at the last sweep.
pub const TIMERS_DUE: &str = "stagepost_timers_due";
/// Attempts at deliveries: labels `destination` and `outcome`.
pub const DELIVERY_ATTEMPTS: &str = "stagepost_delivery_attempts_total";
/// Seconds that one attempt took: label `destination`.
pub const DELIVERY_DURATION: &str = "stagepost_delivery_duration_seconds";
/// Requests to destinations under way: label `destination`.
pub const REQUESTS_IN_FLIGHT: &str = "stagepost_requests_in_flight";
/// Deliveries that waited longer than their destination lets them: label `destination`.
pub const DELIVERIES_EXPIRED: &str = "stagepost_deliveries_expired_total";
/// Requests to Studio's API that looked back: label `status` (`none` where no answer came).
pub const RECONCILE_REQUESTS: &str = "stagepost_reconcile_requests_total";
/// Runs that were looked up at Studio.
pub const RECONCILE_LOOK_UPS: &str = "stagepost_reconcile_look_ups_total";
/// What was found that way and taken in: label `what` (`stage`, `end`).
pub const RECONCILE_RECOVERED: &str = "stagepost_reconcile_recovered_total";

/// Upper bounds of the buckets of times, in seconds: from a commit's half millisecond to a mail's half minute.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds of the buckets of a timer's lateness, which after a standstill may be hours.
const LATENESS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0];
/// Upper bounds of the buckets of events per commit.
const EVENTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0, 2500.0];
/// How often what was measured is added up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What was measured, for whoever renders it; cheap to clone.
#[derive(Clone)]
pub struct Handle(PrometheusHandle);

impl Handle {
    /// Everything measured, as Prometheus text.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Adds up what was measured every few seconds, for ever; spawn it once. Without it the single measurements of
    /// histograms would pile up as long as nobody asks for `/metrics`.
    pub async fn upkeep(self) {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            self.0.run_upkeep();
        }
    }

    /// A handle on a recorder of its own, that nothing is reported to: for tests.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metrics::Handle")
    }
}

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
#[error("can't measure anything: {0}")]
pub struct InstallError(#[from] BuildError);

/// Takes in what the whole process measures from now on; once per process.
///
/// # Errors
/// It was done before.
pub fn install() -> Result<Handle, InstallError> {
    let handle = builder()?.install_recorder()?;
    describe();
    Ok(Handle(handle))
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(COMMIT_EVENTS.to_owned()), &EVENTS)?
        .set_buckets_for_metric(Matcher::Full(TIMER_LATENESS.to_owned()), &LATENESS)?
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &SECONDS)
}

fn describe() {
    describe_counter!(INGEST_EVENTS, "Events accepted, by source");
    describe_counter!(INGEST_REJECTED, "Posts and items of batches refused, by code");
    describe_histogram!(INGEST_DURATION, Unit::Seconds, "Time from a whole post to its answer");
    describe_histogram!(COMMIT_EVENTS, "Events written by one commit");
    describe_histogram!(COMMIT_DURATION, Unit::Seconds, "Time of one commit, its sync included");
    describe_counter!(EVENTS_NOT_SENT, "Calls that a destination was not sent, by destination and reason");
    describe_counter!(TIMERS_FIRED, "Timers looked at because they were due");
    describe_histogram!(TIMER_LATENESS, Unit::Seconds, "Time between when a timer was due and its look");
    describe_gauge!(TIMERS_DUE, "Timers that were due at the last sweep");
    describe_counter!(DELIVERY_ATTEMPTS, "Attempts at deliveries, by destination and outcome");
    describe_histogram!(DELIVERY_DURATION, Unit::Seconds, "Time of one attempt, by destination");
    describe_gauge!(REQUESTS_IN_FLIGHT, "Requests under way, by destination");
    describe_counter!(DELIVERIES_EXPIRED, "Deliveries that waited too long, by destination");
    describe_counter!(RECONCILE_REQUESTS, "Requests that asked Studio what happened, by status");
    describe_counter!(RECONCILE_LOOK_UPS, "Runs that were looked up at Studio");
    describe_counter!(RECONCILE_RECOVERED, "Stages and ends that nobody had told of, found at Studio");
    // Those without labels are there from the first scrape on, so that a rate over them begins at nought.
    counter!(TIMERS_FIRED).absolute(0);
    counter!(RECONCILE_LOOK_UPS).absolute(0);
    gauge!(TIMERS_DUE).set(0.0);
}

#[cfg(test)]
mod tests {
    use ::metrics::{histogram, with_local_recorder};

    use super::*;

    #[test]
    fn times_fall_into_buckets_and_have_a_meaning() {
        let recorder = builder().unwrap().build_recorder();
        with_local_recorder(&recorder, || {
            describe();
            histogram!(COMMIT_DURATION).record(0.002);
            histogram!(TIMER_LATENESS).record(90.0);
            histogram!(COMMIT_EVENTS).record(3.0);
            counter!(INGEST_EVENTS, "source" => "studio").increment(2);
        });
        let text = Handle(recorder.handle()).render();
        for line in [
            "# HELP stagepost_commit_duration_seconds ",
            "stagepost_commit_duration_seconds_bucket{le=\"0.001\"} 0",
            "stagepost_commit_duration_seconds_bucket{le=\"0.0025\"} 1",
            "stagepost_timer_lateness_seconds_bucket{le=\"300\"} 1",
            "stagepost_commit_events_bucket{le=\"5\"} 1",
            "stagepost_ingest_events_total{source=\"studio\"} 2",
            "stagepost_timers_fired_total 0",
            "stagepost_timers_due 0",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
