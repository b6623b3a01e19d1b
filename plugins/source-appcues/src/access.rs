use std::net::SocketAddr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use ipnet::IpNet;
use landfall_core::Secret;

use crate::answer::Rejection;
use crate::forwarded;
use crate::gate::single;
use crate::{AppcuesConfig, Auth};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is asked of a request beside its signature.
#[derive(Debug)]
pub(crate) struct Access {
    /// Empty where every network is allowed.
    allowed: Vec<IpNet>,
    proxies: Vec<IpNet>,
    /// `username:password`.
    credentials: Option<Secret>,
}

impl Access {
    pub(crate) fn new(config: &AppcuesConfig) -> Self {
        let credentials = |auth: &Auth| {
            let Auth::Basic { username, password } = auth;
            Secret::new(format!("{username}:{}", password.expose()))
        };
        Self {
            allowed: config.allow_networks.clone(),
            proxies: config.trusted_proxies.clone(),
            credentials: config.auth.as_ref().map(credentials),
        }
    }

    /// Whether the request comes from where it may come from.
    pub(crate) fn check_network(&self, head: &Parts) -> Result<(), Rejection> {
        if self.allowed.is_empty() {
            return Ok(());
        }
        let peer = head.extensions.get::<SocketAddr>();
        let client =
            peer.and_then(|peer| forwarded::client(peer.ip(), &head.headers, &self.proxies));
        let allows = |client| self.allowed.iter().any(|network| network.contains(&client));
        if client.is_some_and(allows) {
            Ok(())
        } else {
            Err(Rejection::NetworkNotAllowed)
        }
    }

    /// Whether the request carries the username and password (RFC 7617), if there are any.
    pub(crate) fn check_credentials(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Some(credentials) = &self.credentials else {
            return Ok(());
        };
        let given = single(headers, AUTHORIZATION.as_str())?;
        let given = given.ok_or(Rejection::CredentialsMissing)?;
        match decode(given) {
            Some(given) if credentials.matches(&given) => Ok(()),
            _ => Err(Rejection::CredentialsWrong),
        }
    }
}

fn decode(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = authorization.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    BASE64.decode(encoded.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn where_networks_are_allowed_a_request_of_unknown_origin_is_not() {
        let config = AppcuesConfig {
            allow_networks: vec!["203.0.113.0/24".parse().unwrap()],
            ..AppcuesConfig::default()
        };
        let access = Access::new(&config);
        let from = |peer: Option<&str>| {
            let (mut head, ()) = Request::new(()).into_parts();
            if let Some(peer) = peer {
                let peer: SocketAddr = peer.parse().unwrap();
                head.extensions.insert(peer);
            }
            access.check_network(&head).is_ok()
        };
        assert!(from(Some("203.0.113.5:1")));
        assert!(from(Some("[::ffff:203.0.113.5]:1")));
        assert!(!from(Some("203.0.114.5:1")));
        assert!(!from(None));
    }
}
