//! Receives Appcues webhooks in a program of your own, as a stream: no configuration file, no journal, no lake.
//!
//! ```console
//! $ APPCUES_WEBHOOK_SECRET=secret cargo run --package embed-source
//! $ cargo run -- send --url http://127.0.0.1:8080/webhooks/appcues --secret secret   # in another terminal
//! ```

use std::error::Error;

use futures::StreamExt;
use landfall_core::{Delivery, Secret, Shutdown, Source};
use landfall_source_appcues::{AppcuesConfig, AppcuesSource};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = AppcuesConfig::default();
    config.signature.secrets = vec![Secret::new(std::env::var("APPCUES_WEBHOOK_SECRET")?)];
    let (stop, shutdown) = Shutdown::new();
    let mut deliveries = AppcuesSource::bind(&config)?.into_stream(shutdown);
    tokio::spawn(async move {
        // Whether it could listen for Ctrl-C or not.
        drop(tokio::signal::ctrl_c().await);
        stop.trigger();
    });
    // Up to 64 requests at the same time.
    let keep = |Delivery { events, ack }| async move {
        for event in events {
            println!("{}", String::from_utf8_lossy(&event.body));
        }
        ack.durable(); // The request is answered 200 now. Dropping the delivery instead answers 503.
    };
    deliveries.by_ref().for_each_concurrent(64, keep).await;
    Ok(deliveries.finish().await?)
}
