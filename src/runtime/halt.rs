//! Stopping everything on this machine at once, when no server runs. It must not know why.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{
    RuntimeError, Status,
    instance::Instance,
    process::{ProcessDriver, lock},
};

impl ProcessDriver {
    /// Stops every program that runs, for when nobody else may change anything; how many there were. The next start of a
    /// server finds them stopped, and starts them again.
    ///
    /// # Errors
    /// `Internal` with what the system refused.
    pub async fn stop_all(&self, grace: Duration) -> Result<usize, RuntimeError> {
        let stops = self.instances()?.into_iter().map(async |name| {
            let instance = Instance::named(&self.state, &name)?;
            let Some(_lock) = lock(&instance).await? else { return Ok(0) };
            let running = matches!(instance.status(), Status::Running { .. });
            self.end(&instance, &name, grace).await?;
            Ok(usize::from(running))
        });
        try_join_all(stops).await.map(|stopped| stopped.into_iter().sum())
    }
}
