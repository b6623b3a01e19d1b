//! One connection to the api address, and when it ends.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long a request may take to come.
const READ_TIME: Duration = Duration::from_secs(5);

/// Whether an answer that lasts, such as a tap's, is being sent on a connection. Each of its requests holds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting(watch::Sender<()>);

impl Lasting {
    /// It is, as long as the result is not dropped.
    pub(super) fn begin(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// Answers what comes over `stream` for `time`, or until an answer that lasts is over. The last answer may take as long again.
pub(super) async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    time: Duration,
) {
    let lasting = Lasting::default();
    let of_requests = lasting.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(of_requests.clone());
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(READ_TIME)
        // Who ends its side behind a request still waits for the answer.
        .half_close(true);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let over = async {
        sleep(time).await;
        lasting.0.closed().await;
    };
    tokio::select! {
        biased;
        // How it ends is the client's affair.
        _ = connection.as_mut() => return,
        () = over => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(time, connection).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::super::{Api, router};
    use super::*;
    use crate::ApiConfig;
    use crate::overview::Overview;

    const TIME: Duration = Duration::from_millis(100);

    /// Far more than anything here takes.
    const LIMIT: Duration = Duration::from_secs(60);

    fn test_router() -> Router {
        let config = ApiConfig::default();
        router(Api {
            overview: Overview::new(&config),
            config,
            readiness: Default::default(),
            taps: Default::default(),
        })
    }

    /// A connection on which `path` has been asked for, and what answers there.
    async fn ask(path: &str) -> (DuplexStream, JoinHandle<()>) {
        let (mut client, server) = duplex(1024);
        send(&mut client, path).await.unwrap();
        (client, tokio::spawn(answer(server, test_router(), TIME)))
    }

    async fn send(client: &mut DuplexStream, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).await
    }

    async fn read(client: &mut DuplexStream) -> String {
        let mut bytes = vec![0; 1024];
        let length = client.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    async fn assert_ends(answering: JoinHandle<()>) {
        timeout(LIMIT, answering).await.expect("an end").unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_is_always_in_use_ends_behind_a_whole_answer() {
        let (mut client, answering) = ask("/health").await;
        let using = async {
            loop {
                let answer = read(&mut client).await;
                if answer.is_empty() {
                    return;
                }
                assert!(answer.ends_with(r#"{"status":"alive"}"#), "{answer}");
                // It may be too late for another.
                let _ = send(&mut client, "/health").await;
            }
        };
        timeout(LIMIT, using).await.expect("an end");
        assert_ends(answering).await;
    }

    #[tokio::test]
    async fn a_client_that_ends_its_side_behind_its_request_is_answered() {
        let (mut client, server) = duplex(1024);
        send(&mut client, "/health").await.unwrap();
        client.shutdown().await.unwrap();
        let answering = tokio::spawn(answer(server, test_router(), LIMIT));
        let whole = read(&mut client).await;
        assert!(whole.ends_with(r#"{"status":"alive"}"#), "{whole}");
        assert_ends(answering).await;
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (_client, answering) = ask("/console").await;
        assert_ends(answering).await;
    }

    #[tokio::test]
    async fn a_tap_outlasts_the_time_of_its_connection_which_ends_with_it() {
        let (mut client, answering) = ask("/api/v1/tap").await;
        let head = read(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        sleep(4 * TIME).await;
        assert!(!answering.is_finished());
        drop(client);
        assert_ends(answering).await;
    }
}
