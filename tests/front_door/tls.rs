use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use landfall_testkit::{Authority, Identity, Instance, Landfall, Signature, TlsClient, epoch_secs};

use crate::{
    EVENT, PATH, SECRET, SIGNED, assert_refused, landfall, outcome, signed, start, start_in,
    unsigned, validate,
};

const TLS: &str = r#"tls = { crt_file = "{dir}/crt.pem", key_file = "{dir}/key.pem" }"#;

fn write(landfall: &Landfall, identity: &Identity) {
    landfall.write("crt.pem", &identity.crt);
    landfall.write("key.pem", &identity.key);
}

fn start_tls(landfall: Landfall, settings: &str) -> Instance {
    start_in(landfall, &format!("{SIGNED}\n{settings}"))
}

fn send(instance: &Instance, client: &TlsClient) -> std::io::Result<String> {
    let mut connection = client.connect(instance.source())?;
    Ok(outcome(&connection.send(&signed().body(EVENT))?))
}

#[test]
fn events_come_over_tls_and_nothing_comes_beside_it() {
    let landfall = landfall();
    let authority = Authority::new();
    write(&landfall, &authority.issue());
    let instance = start_tls(landfall, TLS);
    let client = TlsClient::new(&authority, None, &[]);
    assert_eq!(send(&instance, &client).unwrap(), "200");

    let plain = signed().body(EVENT).try_send(instance.source());
    assert!(plain.is_err(), "{plain:?}");
    let stranger = TlsClient::new(&Authority::new(), None, &[]);
    assert!(send(&instance, &stranger).is_err());
    assert_eq!(send(&instance, &client).unwrap(), "200");
}

#[test]
fn the_protocol_is_what_the_client_likes_best() {
    let landfall = landfall();
    let authority = Authority::new();
    write(&landfall, &authority.issue());
    let instance = start_tls(landfall, TLS);
    for (offered, agreed) in [
        (&["http/1.1"][..], Some("http/1.1")),
        (&["h2", "http/1.1"], Some("h2")),
        (&[], None),
    ] {
        let client = TlsClient::new(&authority, None, offered);
        let connection = client.connect(instance.source()).unwrap();
        assert_eq!(connection.protocol().as_deref(), agreed);
    }
    let client = TlsClient::new(&authority, None, &["http/1.1"]);
    assert_eq!(send(&instance, &client).unwrap(), "200");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let now = epoch_secs().to_string();
    let over_http2 = async {
        let authority = reqwest::Certificate::from_pem(authority.pem().as_bytes())?;
        let client = reqwest::Client::builder()
            .tls_built_in_root_certs(false)
            .add_root_certificate(authority)
            .resolve("localhost", instance.source())
            .build()?;
        let url = format!("https://localhost:{}{PATH}", instance.source().port());
        client
            .post(url)
            .header("X-Apc-Signature", Signature::new(SECRET, &now, EVENT).hex())
            .header("X-Apc-Timestamp", &now)
            .body(EVENT)
            .send()
            .await
    };
    let answer = runtime.block_on(over_http2).unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let landfall = landfall();
    let authority = Authority::new();
    let [old, new] = [authority.issue(), authority.issue()];
    write(&landfall, &old);
    let mut instance = start_tls(landfall, TLS);
    let client = TlsClient::new(&authority, None, &[]);
    let mut before = client.connect(instance.source()).unwrap();
    assert!(before.is_with(&old));
    assert_eq!(outcome(&before.send(&signed().body(EVENT)).unwrap()), "200");

    // A certificate without its key, as it is while somebody replaces one after the other.
    instance.landfall().write("crt.pem", &new.crt);
    instance.wait_until("the mismatch is reported", |instance| {
        instance.stderr().contains("do not go together")
    });
    assert!(client.connect(instance.source()).unwrap().is_with(&old));
    instance.landfall().write("key.pem", &new.key);
    instance.wait_until("the new certificate is shown", |instance| {
        client.connect(instance.source()).unwrap().is_with(&new)
    });
    assert_eq!(send(&instance, &client).unwrap(), "200");
    assert_eq!(outcome(&before.send(&signed().body(EVENT)).unwrap()), "200");
}

#[test]
fn clients_need_a_certificate_of_the_right_authority_where_that_is_asked_for() {
    let landfall = landfall();
    let [authority, clients] = [Authority::new(), Authority::new()];
    write(&landfall, &authority.issue());
    landfall.write("ca.pem", &clients.pem());
    let settings = r#"
signature.mode = "off"
[sources.appcues.tls]
crt_file = "{dir}/crt.pem"
key_file = "{dir}/key.pem"
ca_file = "{dir}/ca.pem"
verify_certificate = true
"#;
    let mut instance = start_in(landfall, settings);
    let source = instance.source();
    let send = |identity: Option<&Identity>| {
        let client = TlsClient::new(&authority, identity, &[]);
        let mut connection = client.connect(source)?;
        connection.send(&unsigned(PATH).body(EVENT))
    };
    assert_eq!(outcome(&send(Some(&clients.issue())).unwrap()), "200");
    assert!(send(None).is_err());
    // Before the next, since only the first of a kind is told at once.
    instance.wait_until("it says why", |instance| {
        let why = "no TLS connection: peer sent no certificates";
        instance.stderr().contains(why)
    });
    assert!(send(Some(&authority.issue())).is_err());
    instance.wait_until("both are counted", |instance| {
        instance.metric("component_errors_total") == 2
    });
}

#[test]
fn a_handshake_that_does_not_come_is_given_up_and_holds_up_nobody() {
    let landfall = landfall();
    let authority = Authority::new();
    write(&landfall, &authority.issue());
    let instance = start_tls(landfall, &format!("{TLS}\nlimits.read_timeout_secs = 1"));
    let started = Instant::now();
    let mut silent: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(instance.source()).unwrap())
        .collect();
    let client = TlsClient::new(&authority, None, &[]);
    assert_eq!(send(&instance, &client).unwrap(), "200");
    for stream in &mut silent {
        assert_closed(stream);
    }
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn silent_handshakes_beyond_the_limit_keep_nobody_out() {
    let landfall = landfall();
    let authority = Authority::new();
    write(&landfall, &authority.issue());
    let limits = "limits = { max_connections = 3, read_timeout_secs = 600 }";
    let instance = start_tls(landfall, &format!("{TLS}\n{limits}"));
    let mut silent: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(instance.source()).unwrap())
        .collect();
    let client = TlsClient::new(&authority, None, &[]);
    assert_eq!(send(&instance, &client).unwrap(), "200");
    // They are sent away long before their time-out, but for those that still have room.
    for stream in &mut silent[..17] {
        assert_closed(stream);
    }
}

fn assert_closed(stream: &mut TcpStream) {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let read = stream.read(&mut [0; 16]).unwrap();
    assert_eq!(read, 0, "closed without a word");
}

#[test]
fn a_handshake_does_not_hold_up_the_end() {
    let landfall = landfall();
    let authority = Authority::new();
    write(&landfall, &authority.issue());
    let instance = start_tls(landfall, TLS);
    let _silent = TcpStream::connect(instance.source()).unwrap();
    // Accepted after the silent one, so that one is being served too.
    let client = TlsClient::new(&authority, None, &[]);
    assert_eq!(send(&instance, &client).unwrap(), "200");
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    let held_up = "some connections did not finish in time";
    assert!(!ended.stderr.contains(held_up), "{ended}");
}

#[test]
fn certificates_that_cannot_work_are_refused_by_name() {
    let landfall = landfall();
    let authority = Authority::new();
    write(&landfall, &authority.issue());
    landfall.write("other.pem", &authority.issue().key);
    landfall.write("text.pem", "no PEM");
    let crt_file = r#"crt_file = "{dir}/crt.pem""#;
    let key_file = r#"key_file = "{dir}/key.pem""#;
    for (tls, problem) in [
        (crt_file.to_owned(), "tls.key_file"),
        (key_file.to_owned(), "tls.crt_file"),
        (
            format!(r#"{crt_file}, key_file = "{{dir}}/other.pem""#),
            "do not go together",
        ),
        (
            format!(r#"{crt_file}, key_file = "{{dir}}/absent.pem""#),
            "/absent.pem: cannot be read",
        ),
        (
            format!(r#"{crt_file}, key_file = "{{dir}}/text.pem""#),
            "/text.pem: holds no private key",
        ),
        (
            format!(r#"{crt_file}, key_file = "{{dir}}/crt.pem""#),
            "/crt.pem: holds no private key",
        ),
        (
            format!(r#"crt_file = "{{dir}}/text.pem", {key_file}"#),
            "/text.pem: holds no certificate",
        ),
        (
            format!("{crt_file}, {key_file}, verify_certificate = true"),
            "tls.ca_file",
        ),
        (
            format!(r#"{crt_file}, {key_file}, ca_file = "{{dir}}/crt.pem""#),
            "tls.ca_file",
        ),
        (
            format!(
                r#"{crt_file}, {key_file}, verify_certificate = true, ca_file = "{{dir}}/text.pem""#
            ),
            "/text.pem: holds no certificate",
        ),
        (
            format!("{crt_file}, {key_file}, alpn = []"),
            "tls.alpn: there is no such setting",
        ),
    ] {
        assert_refused(&landfall, &format!("{SIGNED}\ntls = {{ {tls} }}"), problem);
    }
    let ended = validate(&landfall, &format!("{SIGNED}\n{TLS}"));
    assert_eq!(ended.code, Some(0), "{ended}");
}

#[test]
fn tls_that_is_not_enabled_leaves_plain_http() {
    let instance = start(&format!("{SIGNED}\ntls.enabled = false"));
    let answer = signed().body(EVENT).send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}
