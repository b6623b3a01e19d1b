use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;
use landfall_core::lenient_option;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;

use crate::VectorSinkConfig;
use crate::client::Failure;

/// TLS to the peer, whose certificate is always checked. The files are PEM, and read again for each new connection.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Whether TLS is spoken; without it the address says so, by beginning with `https://`.
    #[serde(deserialize_with = "lenient_option")]
    pub enabled: Option<bool>,
    /// The authorities that the peer's certificate may be of; without it, those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the peer is shown, if it asks for one.
    pub crt_file: Option<PathBuf>,
    /// That certificate's private key: PKCS#8, PKCS#1 or SEC1.
    pub key_file: Option<PathBuf>,
    /// The name that the peer's certificate must be for, if it is not the host of the address.
    pub server_name: Option<String>,
}

impl Tls {
    /// What is wrong with the settings.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.crt_file.is_some() != self.key_file.is_some() {
            problems.push("tls.crt_file: is only of use together with key_file".to_owned());
        }
        if let Some(name) = &self.server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            problems.push("tls.server_name: must be a host's name or an IP address".to_owned());
        }
        problems
    }

    /// # Errors
    /// Names the file that cannot be used.
    fn client_config(&self) -> Result<ClientConfig, String> {
        let mut authorities = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                for certificate in certificates(file)? {
                    authorities
                        .add(certificate)
                        .map_err(|error| format!("{}: {error}", file.display()))?;
                }
            }
            None => {
                authorities
                    .add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(authorities);
        let mut config = match (&self.crt_file, &self.key_file) {
            (Some(crt_file), Some(key_file)) => {
                let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| {
                    format!("{}: holds no private key: {error}", key_file.display())
                })?;
                builder
                    .with_client_auth_cert(certificates(crt_file)?, key)
                    .map_err(|error| format!("{}: {error}", crt_file.display()))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|error| wrong(&error))?
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"holds no certificate"));
    }
    Ok(found)
}

/// Where the peer is, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    authority: Authority,
    port: u16,
    /// `None` for plain HTTP/2.
    tls: Option<Tls>,
}

/// A connection to a peer.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Peer {
    /// # Errors
    /// `path.of.setting: what to change`.
    pub(crate) fn of(config: &VectorSinkConfig) -> Result<Self, String> {
        const EXAMPLE: &str =
            "address: give a host and a port, such as \"vector.example.com:6000\"";
        let (is_https, rest) = match config.address.split_once("://") {
            Some(("https", rest)) => (Some(true), rest),
            Some(("http", rest)) => (Some(false), rest),
            Some(_) => return Err(EXAMPLE.to_owned()),
            None => (None, &*config.address),
        };
        let authority: Authority = rest
            .strip_suffix('/')
            .unwrap_or(rest)
            .parse()
            .map_err(|_| EXAMPLE.to_owned())?;
        let port = authority.port_u16().filter(|port| *port != 0);
        let port = port.ok_or(EXAMPLE)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(EXAMPLE.to_owned());
        }
        let is_enabled = config.tls.enabled;
        if is_https.is_some() && is_enabled.is_some() && is_https != is_enabled {
            return Err("tls.enabled: contradicts the address".to_owned());
        }
        let is_tls = is_https.or(is_enabled).unwrap_or(false);
        Ok(Self {
            authority,
            port,
            tls: is_tls.then(|| config.tls.clone()),
        })
    }

    /// # Errors
    /// Names the file that cannot be used.
    pub(crate) fn try_files(&self) -> Result<(), String> {
        self.tls.as_ref().map_or(Ok(()), |tls| {
            tls.client_config()?;
            Ok(())
        })
    }

    /// The address of a method.
    pub(crate) fn uri(&self, path: &'static str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(if self.tls.is_some() { "https" } else { "http" })
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }

    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let host = self.authority.host().trim_matches(['[', ']']);
        let addresses = lookup_host((host, self.port)).await;
        let addresses: Vec<_> = addresses
            .map_err(|error| {
                Failure::new("unknown_host", format!("cannot find the host: {error}"))
            })?
            .collect();
        let stream = TcpStream::connect(&*addresses)
            .await
            .map_err(|error| cannot_connect(&error))?;
        // Without it all is only slower.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            return Ok(Box::new(stream));
        };
        let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
        let failed = |problem: String| Failure::new("tls", problem);
        let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
        let config = spawn_blocking(move || tls.client_config()).await;
        let config = config
            .map_err(|error| error.to_string())
            .flatten()
            .map_err(failed)?;
        let connected = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await;
        let stream = connected.map_err(|error| failed(format!("no TLS connection: {error}")))?;
        Ok(Box::new(stream))
    }
}

fn cannot_connect(error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::TimedOut => "timeout",
        _ => "connection_failed",
    };
    Failure::new(code, format!("cannot connect: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, enabled: Option<bool>) -> Result<(String, u16, bool), String> {
        let mut config = VectorSinkConfig::to(address);
        config.tls.enabled = enabled;
        let peer = Peer::of(&config)?;
        Ok((
            peer.authority.host().to_owned(),
            peer.port,
            peer.tls.is_some(),
        ))
    }

    #[test]
    fn an_address_is_a_host_and_a_port_with_or_without_a_scheme() {
        for (address, enabled, host, is_tls) in [
            ("127.0.0.1:6000", None, "127.0.0.1", false),
            ("[::1]:6000", None, "[::1]", false),
            (
                "vector.example.com:6000",
                Some(true),
                "vector.example.com",
                true,
            ),
            (
                "http://vector.example.com:6000",
                None,
                "vector.example.com",
                false,
            ),
            (
                "https://vector.example.com:6000/",
                None,
                "vector.example.com",
                true,
            ),
            (
                "https://vector.example.com:6000",
                Some(true),
                "vector.example.com",
                true,
            ),
        ] {
            assert_eq!(
                peer(address, enabled),
                Ok((host.to_owned(), 6000, is_tls)),
                "{address}"
            );
        }
    }

    #[test]
    fn any_other_address_is_a_problem() {
        for address in [
            "",
            "vector.example.com",
            "vector.example.com:0",
            ":6000",
            "ftp://vector.example.com:6000",
            "http://user:password@vector.example.com:6000",
            "http://vector.example.com:6000/path",
        ] {
            let problem = peer(address, None).unwrap_err();
            assert!(problem.starts_with("address: "), "{address}: {problem}");
            assert!(!problem.contains("password"), "{problem}");
        }
        assert!(peer("http://vector.example.com:6000", Some(true)).is_err());
    }
}
