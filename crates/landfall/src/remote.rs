//! The api of an instance that runs, as `tap` and `top` ask it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use landfall_core::Secret;
use landfall_topology::Registry;
use reqwest::{Client, Response};
use serde::Deserialize;

use crate::run::load;

/// Which instance is meant.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Instance {
    /// Where its api is. Without it the api.address of the configuration, or http://127.0.0.1:8686.
    #[arg(long, env = "LANDFALL_API_URL")]
    url: Option<String>,
    /// Its api.token, if it has one. Without it that of the configuration.
    #[arg(long, env = "LANDFALL_API_TOKEN", hide_env_values = true, value_parser = |token: &str| Ok::<_, String>(Secret::new(token)))]
    token: Option<Secret>,
}

/// A client of the api.
pub(crate) struct Remote {
    client: Client,
    url: String,
    token: Option<Secret>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Remote {
    pub(crate) fn of(
        instance: &Instance,
        config: &[PathBuf],
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let Instance { url, token } = instance.clone();
        let (url, token) = match url {
            Some(url) => (url, token),
            None if config.is_empty() => ("http://127.0.0.1:8686".to_owned(), token),
            None => {
                let api = load(config, registry)
                    .context("give the instance by --url, or mend its configuration")?
                    .api;
                (format!("http://{}", api.address), token.or(api.token))
            }
        };
        Ok(Self {
            client: Client::builder().no_proxy().build()?,
            url: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Where the api is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The answer to a GET of `path`, which must be 200.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Response> {
        let answer = self.ask(path, query).await?;
        let status = answer.status();
        if !status.is_success() {
            match serde_json::from_slice(&answer.bytes().await?) {
                Ok(Refusal { message }) => bail!("{} answers {status}: {message}", self.url),
                Err(_) => bail!("{} answers {status}: is it landfall's api?", self.url),
            }
        }
        Ok(answer)
    }

    /// The answer to a GET of `path`.
    pub(crate) async fn ask(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Response> {
        let request = self.client.get(format!("{}{path}", self.url));
        let mut request = request.query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let unreachable = || {
            format!(
                "no landfall answers on {}; name the instance by --url or --config",
                self.url
            )
        };
        request.send().await.with_context(unreachable)
    }
}
