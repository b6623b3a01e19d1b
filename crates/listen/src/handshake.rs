use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::{BuildError, Labels};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Tls;
use crate::watch::{Contents, Watched};

/// Speaks TLS with certificates that follow their files. What is connected stays so when they change.
#[derive(Clone)]
pub struct Handshake {
    acceptor: Arc<Watched<TlsAcceptor>>,
    /// How long it may take.
    limit: Duration,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

impl Handshake {
    /// The handshake that `tls` asks for, if it asks for TLS. It may take up to `limit`, and agrees on one of `protocols`
    /// (ALPN), the best first. Errors are counted with `labels`.
    ///
    /// # Errors
    /// Says which file cannot be read, or what is wrong with it.
    pub fn new(
        tls: Option<&Tls>,
        limit: Duration,
        protocols: &'static [&'static str],
        labels: Labels,
    ) -> Result<Option<Self>, BuildError> {
        let Some(tls) = tls.filter(|tls| tls.enabled) else {
            return Ok(None);
        };
        let client_authorities = tls.ca_file.clone().filter(|_| tls.verify_certificate);
        let files = [
            tls.crt_file.clone(),
            tls.key_file.clone(),
            client_authorities.clone(),
        ];
        let [crt_file, key_file, _] = files.clone().map(Option::unwrap_or_default);
        let build = move |contents: &Contents| {
            let mut config = server_config(
                contents,
                &crt_file,
                &key_file,
                client_authorities.as_deref(),
            )?;
            config.alpn_protocols = protocols
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect();
            Ok(TlsAcceptor::from(Arc::new(config)))
        };
        Ok(Some(Self {
            acceptor: Arc::new(Watched::new(
                files.into_iter().flatten().collect(),
                labels,
                build,
            )?),
            limit,
        }))
    }

    /// Agrees with the client on keys and on what is spoken.
    ///
    /// # Errors
    /// The client speaks no TLS that is safe, presents no certificate that is asked for, or is too slow.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        timeout(self.limit, self.acceptor.get().accept(stream)).await?
    }
}

fn server_config(
    contents: &Contents,
    crt_file: &Path,
    key_file: &Path,
    ca_file: Option<&Path>,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match ca_file {
        None => Arc::new(NoClientAuth),
        Some(ca_file) => {
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", ca_file.display());
            let mut authorities = RootCertStore::empty();
            for certificate in certificates(contents, ca_file)? {
                authorities
                    .add(certificate)
                    .map_err(|error| wrong(&error))?;
            }
            WebPkiClientVerifier::builder_with_provider(
                Arc::new(authorities),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| wrong(&error))?
        }
    };
    let key = PrivateKeyDer::from_pem_slice(text(contents, key_file))
        .map_err(|error| format!("{}: holds no private key: {error}", key_file.display()))?;
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(contents, crt_file)?, key)
        .map_err(|error| {
            let (crt_file, key_file) = (crt_file.display(), key_file.display());
            format!("{crt_file} and {key_file} do not go together: {error}")
        })
}

fn certificates(contents: &Contents, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(text(contents, file))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: is not PEM: {error}", file.display()))?;
    if found.is_empty() {
        return Err(format!("{}: holds no certificate", file.display()));
    }
    Ok(found)
}

fn text<'a>(contents: &'a Contents, file: &Path) -> &'a [u8] {
    contents
        .get(file)
        .map_or(b"", |text| text.expose().as_bytes())
}
