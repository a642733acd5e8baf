//! The ticks: a cron job each second that nudges the writer and does nothing else.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// The running scheduler; it ticks until it is stopped.
pub struct Ticker {
    scheduler: JobScheduler,
}

impl Ticker {
    /// Starts ticking, once a second. The channel holds one tick: a writer that is busy finds one waiting, never a queue.
    ///
    /// # Errors
    /// When the scheduler can't start.
    pub async fn start() -> Result<(Self, mpsc::Receiver<()>), JobSchedulerError> {
        let (nudge, ticks) = mpsc::channel(1);
        let scheduler = JobScheduler::new().await?;
        let job = Job::new("* * * * * *", move |_, _| {
            // A full channel means that the writer is nudged already.
            let _ = nudge.try_send(());
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok((Self { scheduler }, ticks))
    }

    /// Stops ticking.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the scheduler did not stop cleanly");
        }
    }
}
