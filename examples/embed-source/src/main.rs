//! Receives Appcues webhooks in a program of your own: no configuration file, no journal, no lake.
//!
//! ```console
//! $ APPCUES_WEBHOOK_SECRET=secret cargo run --package embed-source
//! $ cargo run -- send --url http://127.0.0.1:8080/webhooks/appcues --secret secret   # in another terminal
//! ```

use std::error::Error;

use futures::StreamExt;
use landfall_core::{Secret, Shutdown, Source, delivery_channel};
use landfall_source_appcues::{AppcuesConfig, AppcuesSource};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = AppcuesConfig::default();
    config.signature.secrets = vec![Secret::new(std::env::var("APPCUES_WEBHOOK_SECRET")?)];
    let source = AppcuesSource::bind(&config)?;

    let (out, mut deliveries) = delivery_channel(64);
    let (_trigger, shutdown) = Shutdown::new();
    tokio::spawn(Box::new(source).run(out, shutdown));
    while let Some(delivery) = deliveries.next().await {
        for event in &delivery.events {
            println!("{}", String::from_utf8_lossy(&event.body));
        }
        // The request is answered 200 now. Dropping the delivery instead answers 503.
        delivery.ack.durable();
    }
    Ok(())
}
