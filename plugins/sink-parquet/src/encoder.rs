use std::io;
use std::sync::mpsc;
use std::thread;

use landfall_core::SinkError;
use tokio::sync::oneshot;

use crate::dedupe::Index;

type Job = Box<dyn FnOnce(&mut Index) + Send>;

/// A thread that does a sink's work with the processor: reading events, making columns of them, encoding. It has the index.
///
/// A thread of its own and not any of a pool, though one job is done at a time: an allocator keeps for each thread what it has
/// freed. In a pool each thread would keep the memory of a batch, and the process take several times as much. It ends with
/// the encoder.
#[derive(Debug)]
pub(crate) struct Encoder(mpsc::Sender<Job>);

impl Encoder {
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(mut index: Index) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || queue.into_iter().for_each(|job| job(&mut index));
        thread::Builder::new()
            .name("encoder".to_owned())
            .spawn(work)?;
        Ok(Self(jobs))
    }

    /// What comes of `work`, which is done even if nobody waits for it any more.
    ///
    /// # Errors
    /// The thread is gone, because `work` or what was done before it has panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Index) -> T + Send + 'static,
    ) -> Result<T, SinkError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |index: &mut Index| drop(answer.send(work(index))));
        // If it is not taken, the answer is dropped with it.
        let _ = self.0.send(job);
        let ended = |_| SinkError::new("encoding ended early: its thread is gone");
        answered.await.map_err(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landfall_core::Seldom;

    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn work_is_done_in_one_thread_until_it_panics() {
        let index = Index::new(Duration::ZERO, 0, Scratch::default(), Seldom::default());
        let encoder = Encoder::start(index).unwrap();
        let one = encoder.run(|_| thread::current().id()).await.unwrap();
        let other = encoder.run(|_| thread::current().id()).await.unwrap();
        assert_eq!(one, other);
        assert!(encoder.run(|_| panic!("as it is told to")).await.is_err());
        assert!(encoder.run(|_| ()).await.is_err());
    }
}
