use std::io::{self, BufReader, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::request::connect;
use crate::{Request, Response};

/// The name that every certificate is for.
const NAME: &str = "localhost";

/// A certificate authority of the test's own.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub crt: String,
    /// The private key.
    pub key: String,
}

impl Authority {
    /// A new authority, that nobody else trusts.
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        let mut params = params();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of a certificate whose issuer has its own name OpenSSL believes that it signed itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        Self(CertifiedIssuer::self_signed(params, new_key()).expect("an authority"))
    }

    /// The authority's own certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new certificate for `localhost`, of a server or a client.
    pub fn issue(&self) -> Identity {
        let key = new_key();
        let crt = params().signed_by(&key, &self.0).expect("a certificate");
        Identity {
            crt: crt.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A client that trusts one authority.
#[derive(Clone, Debug)]
pub struct TlsClient(ClientConfig);

impl TlsClient {
    /// A client that presents `identity`, if there is one, and speaks `protocols` (ALPN), the best first.
    pub fn new(authority: &Authority, identity: Option<&Identity>, protocols: &[&str]) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(authority.0.der().clone())
            .expect("the authority's certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks what is safe")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(identity.crt.as_bytes()).expect("PEM")],
                    PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM"),
                )
                .expect("key and certificate belong together"),
        };
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Self(config)
    }

    /// Connects to `address` and waits until both sides have agreed.
    ///
    /// # Errors
    /// What either side did not agree to.
    pub fn connect(&self, address: SocketAddr) -> io::Result<TlsConnection> {
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls =
            ClientConnection::new(Arc::new(self.0.clone()), name).map_err(io::Error::other)?;
        let mut stream = connect(address)?;
        tls.complete_io(&mut stream)?;
        Ok(TlsConnection(BufReader::new(StreamOwned::new(tls, stream))))
    }
}

/// A connection that takes one request after another.
#[derive(Debug)]
pub struct TlsConnection(BufReader<StreamOwned<ClientConnection, std::net::TcpStream>>);

impl TlsConnection {
    /// Sends `request` and waits for its answer.
    ///
    /// # Errors
    /// What kept a whole answer from coming. A server that does not take the client's certificate says so only here.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.0.get_mut().write_all(&request.to_bytes())?;
        Response::read(&mut self.0)
    }

    /// Whether the server showed the certificate of `identity`.
    pub fn is_with(&self, identity: &Identity) -> bool {
        let expected = CertificateDer::from_pem_slice(identity.crt.as_bytes()).expect("PEM");
        self.0.get_ref().conn.peer_certificates() == Some(&[expected])
    }

    /// The protocol that both sides agreed on (ALPN).
    pub fn protocol(&self) -> Option<String> {
        let protocol = self.0.get_ref().conn.alpn_protocol()?;
        Some(String::from_utf8_lossy(protocol).into_owned())
    }
}

fn params() -> CertificateParams {
    CertificateParams::new([NAME.to_owned()]).expect("a name")
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
