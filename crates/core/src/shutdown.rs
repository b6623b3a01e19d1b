use tokio::sync::watch;

/// The right to end a set of components.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl ShutdownTrigger {
    /// Tells everybody who holds a [`Shutdown`] of this trigger to finish. Dropping the trigger says the same.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }
}

/// Tells a component when to finish: stop taking new work, complete what is in hand, return.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A trigger and its listener; clone the listener for each component.
    pub fn new() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether it is time to finish.
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is time to finish. Safe to drop and call again.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone, which also ends the component.
        let _ = self.0.wait_for(|finish| *finish).await;
    }
}
