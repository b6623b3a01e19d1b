use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use landfall_appcues::{
    AppcuesEvent, Claim, Paths, SignatureError, VerifiedBody, Verifier, convert,
};
use landfall_core::{BuildError, Labels, Secret, Timestamp};
use landfall_listen::{Contents, Watched};
use tokio::task::yield_now;

use crate::AppcuesConfig;
use crate::answer::Rejection;

/// A body that is verified with many keys in no time, in bytes; nearly every event is shorter.
const SHORT_BODY: usize = 16 * 1024;

static ACCOUNT_ID: LazyLock<Paths<1>> = LazyLock::new(|| Paths::new(["account_id"]));

/// The paths that take webhooks, each with the keys that may sign there.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Arc<Route>>);

/// A path and whose events it takes.
#[derive(Debug)]
pub(crate) struct Route {
    /// Without a slash at its end.
    path: String,
    /// The keys that may sign for any account; on a path of accounts alone there are none, and it verifies nothing.
    any: Verifier,
    accounts: Vec<Account>,
}

/// Keys that may sign events of one account alone.
#[derive(Debug)]
struct Account {
    id: String,
    keys: Verifier,
}

/// The accounts that a body may be of, by the key that signed it.
#[derive(Debug)]
pub(crate) enum Owners<'a> {
    Any,
    Accounts(Vec<&'a str>),
}

impl Routes {
    /// The routes of `config`, with keys that follow their files.
    ///
    /// # Errors
    /// Names every secret file that cannot be read.
    pub(crate) fn watched(
        config: &AppcuesConfig,
        labels: &Labels,
    ) -> Result<Watched<Self>, BuildError> {
        let of_accounts = config.accounts.iter().map(|account| &account.secret_files);
        let files = [&config.signature.secret_files]
            .into_iter()
            .chain(of_accounts);
        let files = files.flatten().cloned().collect();
        let config = config.clone();
        let build = move |contents: &Contents| Ok(Self::new(&config, contents));
        Watched::new(files, labels.clone(), build)
    }

    fn new(config: &AppcuesConfig, files: &Contents) -> Self {
        let signature = &config.signature;
        let verifier = |secrets: &[Secret], secret_files: &[PathBuf]| {
            let of_files = secret_files.iter().filter_map(|file| files.get(file));
            let of_files =
                of_files.map(|text| Secret::new(text.expose().trim_end_matches(['\r', '\n'])));
            let all = secrets.iter().cloned().chain(of_files);
            Verifier::new(all, signature.tolerance_secs)
        };
        let nobodys = verifier(&[], &[]);
        let mut routes: Vec<Route> = Vec::new();
        let is_for_any = !signature.secrets.is_empty()
            || !signature.secret_files.is_empty()
            || config.accounts.is_empty();
        if is_for_any {
            routes.push(Route {
                path: without_slash(&config.path),
                any: verifier(&signature.secrets, &signature.secret_files),
                accounts: Vec::new(),
            });
        }
        for account in &config.accounts {
            let path = without_slash(account.path.as_ref().unwrap_or(&config.path));
            let keys = verifier(&account.secrets, &account.secret_files);
            let id = account.id.clone();
            let account = Account { id, keys };
            match routes.iter_mut().find(|route| route.path == path) {
                Some(route) => route.accounts.push(account),
                None => routes.push(Route {
                    path,
                    any: nobodys.clone(),
                    accounts: vec![account],
                }),
            }
        }
        Self(routes.into_iter().map(Arc::new).collect())
    }

    /// The first route whose path satisfies `is_path`.
    pub(crate) fn find(&self, is_path: impl Fn(&str) -> bool) -> Option<Arc<Route>> {
        self.0.iter().find(|route| is_path(&route.path)).cloned()
    }
}

impl Route {
    /// What the two headers claim; see [`Verifier::claim`].
    pub(crate) fn claim(
        &self,
        signature: &[u8],
        timestamp: &[u8],
        now: Timestamp,
    ) -> Result<Claim, SignatureError> {
        self.any.claim(signature, timestamp, now)
    }

    /// Verifies that a key of this path signed `body`, and says whose body it may then be.
    ///
    /// A long body takes some milliseconds with each key, and whoever sends it need have none: in between, others get
    /// their turn.
    pub(crate) async fn verify(
        &self,
        claim: &Claim,
        body: &Bytes,
    ) -> Result<(VerifiedBody, Owners<'_>), SignatureError> {
        // Every key is tried, so that the time tells nothing of which one it was. Two accounts may have one key.
        let mut verified = self.any.verify(claim, body.clone());
        let is_any = verified.is_ok();
        let mut signers = Vec::new();
        for account in &self.accounts {
            if body.len() > SHORT_BODY {
                yield_now().await;
            }
            let signed = account.keys.verify(claim, body.clone());
            if signed.is_ok() {
                signers.push(&*account.id);
                verified = signed;
            }
        }
        let owners = if is_any {
            Owners::Any
        } else {
            Owners::Accounts(signers)
        };
        Ok((verified?, owners))
    }

    /// Whose a body may be that nobody signed: any of this path's accounts, where it has some.
    pub(crate) fn owners_of_unsigned(&self) -> Owners<'_> {
        if self.accounts.is_empty() {
            return Owners::Any;
        }
        Owners::Accounts(self.accounts.iter().map(|account| &*account.id).collect())
    }
}

impl Owners<'_> {
    /// Whether `body`, if it is an event, says that it is of one of these accounts. What is no event says nothing, and
    /// goes to quarantine whoever sent it.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), Rejection> {
        let Self::Accounts(accounts) = self else {
            return Ok(());
        };
        let text = str::from_utf8(body).unwrap_or_default();
        let named = ACCOUNT_ID.read(text).ok().and_then(|[raw]| raw);
        let named = named.and_then(|raw| convert::string(raw).ok().flatten());
        if named.is_some_and(|id| accounts.contains(&&*id)) || AppcuesEvent::parse(body).is_err() {
            Ok(())
        } else {
            Err(Rejection::AccountMismatch)
        }
    }
}

fn without_slash(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use landfall_appcues::sign;

    use super::*;

    #[tokio::test]
    async fn a_long_body_lets_others_have_their_turn_between_the_keys_of_accounts() {
        let account = |id: &str| crate::Account {
            id: id.to_owned(),
            secrets: vec![Secret::new(format!("the key of {id}"))],
            secret_files: Vec::new(),
            path: None,
        };
        let config = AppcuesConfig {
            accounts: vec![account("1"), account("2")],
            ..AppcuesConfig::default()
        };
        let routes = Routes::new(&config, &Contents::new());
        let route = routes.find(|_| true).unwrap();
        let now = Timestamp::now();
        let at = now.as_millis().to_string();
        for (length, is_long) in [(SHORT_BODY, false), (SHORT_BODY + 1, true)] {
            let body = Bytes::from(vec![b' '; length]);
            let signature = sign(&Secret::new("the key of 2"), &at, &body);
            let claim = route.claim(signature.as_bytes(), at.as_bytes(), now);
            let claim = claim.unwrap();
            let at_once = route.verify(&claim, &body).now_or_never();
            assert_eq!(at_once.is_none(), is_long, "{length}");
            let (_, owners) = route.verify(&claim, &body).await.unwrap();
            assert!(matches!(owners, Owners::Accounts(ids) if ids == ["2"]));
        }
    }
}
