use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use landfall_appcues::{Claim, VerifiedBody};
use landfall_core::{BuildError, Labels, Secret, Timestamp};
use landfall_listen::Watched;

use crate::access::Access;
use crate::answer::Rejection;
use crate::route::{Owners, Route, Routes};
use crate::{AppcuesConfig, SignatureMode};

const SIGNATURE: &str = "x-apc-signature";
const TIMESTAMP: &str = "x-apc-timestamp";

/// Decides who gets in: by the head of a request before its body is read, then by whose the body is.
#[derive(Debug)]
pub(crate) struct Gate {
    access: Access,
    path_token: Option<Secret>,
    mode: SignatureMode,
    routes: Watched<Routes>,
}

impl Gate {
    /// # Errors
    /// Names every secret file that cannot be read.
    pub(crate) fn new(config: &AppcuesConfig, labels: &Labels) -> Result<Self, BuildError> {
        Ok(Self {
            access: Access::new(config),
            path_token: config.path_token.clone(),
            mode: config.signature.mode,
            routes: Routes::watched(config, labels)?,
        })
    }

    /// Judges a request by its head: by where it comes from, then by what it asks for, then by what it carries.
    pub(crate) fn admit(&self, head: &Parts) -> Result<Admitted, Rejection> {
        self.access.check_network(head)?;
        let routes = self.routes.get();
        let route = routes
            .find(|path| self.is_path(path, head.uri.path()))
            .ok_or(Rejection::NotFound)?;
        if head.method != Method::POST {
            return Err(Rejection::MethodNotAllowed);
        }
        self.access.check_credentials(&head.headers)?;
        let claim = self.claim(&route, &head.headers)?;
        Ok(Admitted { route, claim })
    }

    /// Whether `given` is the path of a route, with the token behind it if there is one.
    fn is_path(&self, path: &str, given: &str) -> bool {
        let given = given.strip_suffix('/').unwrap_or(given);
        let rest = given.strip_prefix(path);
        match &self.path_token {
            None => rest == Some(""),
            Some(token) => rest
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|given| token.matches(given.as_bytes())),
        }
    }

    /// The signature that the headers claim; `None` where the configuration asks for none.
    fn claim(&self, route: &Route, headers: &HeaderMap) -> Result<Option<Claim>, Rejection> {
        if self.mode == SignatureMode::Off {
            return Ok(None);
        }
        let signature = single(headers, SIGNATURE)?;
        let timestamp = single(headers, TIMESTAMP)?;
        match (signature, timestamp) {
            (Some(signature), Some(timestamp)) => {
                Ok(Some(route.claim(signature, timestamp, Timestamp::now())?))
            }
            (None, None) if self.mode == SignatureMode::Optional => Ok(None),
            _ => Err(Rejection::SignatureMissing),
        }
    }
}

/// A request that may be read.
#[derive(Debug)]
pub(crate) struct Admitted {
    route: Arc<Route>,
    claim: Option<Claim>,
}

impl Admitted {
    /// Verifies the signature of `body`, as it was received, and says whose it may be.
    pub(crate) async fn verify(
        &self,
        body: &Bytes,
    ) -> Result<(VerifiedBody, Owners<'_>), Rejection> {
        match &self.claim {
            Some(claim) => Ok(self.route.verify(claim, body).await?),
            None => Ok((
                VerifiedBody::unauthenticated(body.clone()),
                self.route.owners_of_unsigned(),
            )),
        }
    }
}

/// The value of a security header. Of two values, nobody knows which one those before us believed.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &str,
) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Rejection::HeaderRepeated);
    }
    Ok(first.map(http::HeaderValue::as_bytes))
}
