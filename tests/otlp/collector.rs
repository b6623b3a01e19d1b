use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// Answers 200 to all that is posted, and keeps it.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binding a free port");
        let address = listener.local_addr().expect("a bound address");
        let posts = Arc::default();
        let kept = Arc::clone(&posts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || take(stream, &kept));
            }
        });
        Self { address, posts }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn posts(&self, path: &str) -> Vec<Post> {
        let posts = self.posts.lock().expect("no thread has panicked");
        let posts = posts.iter().filter(|post| post.path == path);
        posts.cloned().collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.posts("/v1/traces").into_iter().map(|post| {
            ExportTraceServiceRequest::decode(&*post.body).expect("a request with spans")
        });
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// What the last request said of its sender, and of metrics by their names; nothing if none has come.
    pub(crate) fn metrics(&self) -> (BTreeMap<String, String>, BTreeMap<String, Metric>) {
        let Some(last) = self.posts("/v1/metrics").pop() else {
            return Default::default();
        };
        let request = ExportMetricsServiceRequest::decode(&*last.body).expect("metrics");
        let [resource] = &*request.resource_metrics else {
            panic!("{request:?}");
        };
        let metrics = resource.scope_metrics.iter();
        let metrics = metrics.flat_map(|scope| scope.metrics.iter().cloned());
        let attributes = &resource.resource.as_ref().expect("a resource").attributes;
        (
            texts(attributes),
            metrics
                .map(|metric| (metric.name.clone(), metric))
                .collect(),
        )
    }
}

/// Attributes by their names, with their values as text.
pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute
        .value
        .as_ref()
        .and_then(|value| value.value.clone())
    {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = attributes.iter();
    pairs
        .map(|attribute| (attribute.key.clone(), text(attribute)))
        .collect()
}

/// Takes what is posted over one connection.
fn take(stream: TcpStream, posts: &Mutex<Vec<Post>>) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut start = String::new();
        stream.read_line(&mut start).ok().filter(|read| *read > 0)?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        stream.read_exact(&mut body).ok()?;
        let path = start.split(' ').nth(1)?.to_owned();
        let post = Post {
            path,
            headers,
            body,
        };
        posts.lock().expect("no thread has panicked").push(post);
        answers
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .ok()?;
    }
}
