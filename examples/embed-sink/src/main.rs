//! Lands events from a source of your own, here the lines of standard input, as Parquet files: no configuration file, no
//! journal. Each event is acknowledged when the file that holds it is in the lake.
//!
//! ```console
//! $ cargo run -- journal export landfall-data/lake | cargo run --package embed-sink -- ./copy    # a local directory
//! $ cargo run --package embed-sink -- s3://bucket/prefix < events.jsonl     # S3: credentials, region and role from the
//!                                                                           # environment: AWS_REGION, AWS_ACCESS_KEY_ID,
//!                                                                           # AWS_ROLE_ARN, instance metadata, …
//! ```

use std::error::Error;

use futures::StreamExt;
use landfall_core::{
    Ack, Delivery, Event, Outcome, SinkConfig, SinkContext, Timestamp, delivery_channel,
};
use landfall_sink_parquet::ParquetConfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args()
        .nth(1)
        .ok_or("say where to land: a directory or a URI")?;
    let config: ParquetConfig = serde_json::from_value(serde_json::json!({ "uri": uri }))?;
    // No other writer may use the same name for another file: here, one run is one writer.
    let writer_id = format!("stdin{}", Timestamp::now().as_millis());
    let context = SinkContext::new("lake", "parquet", &writer_id);
    let sink = config.build(context).await?;

    let (out, deliveries) = delivery_channel(1024);
    let landing = tokio::spawn(sink.run(deliveries.boxed()));
    let mut answers = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (ack, answer) = Ack::channel();
        let event = Event::new(Timestamp::now(), line);
        out.send(Delivery::new(vec![event], ack)).await;
        answers.spawn(answer);
    }
    drop(out); // The end of its input makes the sink land what it has.
    landing.await??;

    let outcomes = answers.join_all().await;
    let landed = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Durable)
        .count();
    println!("{landed} of {} events landed in {uri}", outcomes.len());
    if landed < outcomes.len() {
        return Err("some events did not land; send them again".into());
    }
    Ok(())
}
