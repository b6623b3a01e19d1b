use tokio::sync::watch;

/// The right to end a set of components.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<Stage>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// Another component has taken over.
    Succeeded,
    Ending,
}

impl ShutdownTrigger {
    /// Tells everybody who holds a [`Shutdown`] of this trigger to finish. Dropping the trigger says the same.
    pub fn trigger(&self) {
        self.0.send_replace(Stage::Ending);
    }

    /// As [`trigger`](Self::trigger), when another component has taken over: whoever has come to this one is still served.
    pub fn hand_over(&self) {
        self.0.send_replace(Stage::Succeeded);
    }
}

/// Tells a component when to finish: stop taking new work, complete what is in hand, return.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Stage>);

impl Shutdown {
    /// A trigger and its listener; clone the listener for each component.
    pub fn new() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(Stage::Running);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether it is time to finish.
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow() != Stage::Running || self.0.has_changed().is_err()
    }

    /// Whether it is time to finish because another component has taken over. Nobody needs to be turned away then: all that
    /// still comes can be handed on.
    pub fn has_successor(&self) -> bool {
        *self.0.borrow() == Stage::Succeeded
    }

    /// Waits until it is time to finish. Safe to drop and call again.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone, which also ends the component.
        let _ = self.0.wait_for(|stage| *stage != Stage::Running).await;
    }

    /// As [`wait`](Self::wait), but goes on waiting when another component has taken over.
    pub async fn wait_without_successor(&mut self) {
        self.wait().await;
        if self.has_successor() {
            std::future::pending::<()>().await;
        }
    }
}
