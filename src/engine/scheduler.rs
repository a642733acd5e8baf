//! The ticks: a cron job each second that nudges the writer and does nothing else.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// The running scheduler; it ticks until it is stopped.
pub struct Ticker {
    scheduler: JobScheduler,
}

impl Ticker {
    /// A channel for ticks. It holds one: a writer that is busy finds one waiting, never a queue.
    pub fn channel() -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
        mpsc::channel(1)
    }

    /// Starts ticking, once a second.
    ///
    /// # Errors
    /// When the scheduler can't start.
    pub async fn start(nudge: mpsc::Sender<()>) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let job = Job::new("* * * * * *", move |_, _| {
            // A full channel means that the writer is nudged already.
            let _ = nudge.try_send(());
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler })
    }

    /// Stops ticking.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the scheduler did not stop cleanly");
        }
    }
}
