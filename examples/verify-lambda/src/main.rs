//! Verifies Appcues webhooks in a Lambda function behind API Gateway or a function URL: an event in, an answer out, with no
//! more of Landfall than `landfall-appcues`.
//!
//! This program reads events from standard input, a JSON text a line, and prints an answer for each. In a function of your
//! own call [`handler::handle`] from the handler that your runtime asks for.
//!
//! ```console
//! $ APPCUES_WEBHOOK_SECRET=secret cargo run --package verify-lambda < events.jsonl
//! ```

mod handler;

use std::error::Error;
use std::io;

use landfall_appcues::{Secret, Timestamp, Verifier};

fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new(std::env::var("APPCUES_WEBHOOK_SECRET")?);
    let verifier = Verifier::new([secret], 300);
    for line in io::stdin().lines() {
        let answer = handler::handle(&verifier, &serde_json::from_str(&line?)?, Timestamp::now());
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}
