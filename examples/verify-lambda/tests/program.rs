//! The program as a user starts it.

use std::io::Write;
use std::process::{Command, Stdio};

use landfall_testkit::{Signature, epoch_secs};

#[test]
fn each_line_gets_its_answer() {
    let secret = "a secret only of this test";
    let timestamp = epoch_secs().to_string();
    let signature = Signature::new(secret, &timestamp, b"{}").base64();
    let mut program = Command::new(env!("CARGO_BIN_EXE_verify-lambda"))
        .env("APPCUES_WEBHOOK_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    for body in ["{}", "{ }"] {
        writeln!(
            stdin,
            r#"{{"headers":{{"x-apc-signature":"{signature}","x-apc-timestamp":"{timestamp}"}},"body":"{body}"}}"#
        )
        .unwrap();
    }
    drop(stdin);
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = answers.lines().collect();
    assert_eq!(
        answers,
        [
            r#"{"statusCode":200,"body":"{\"verified_bytes\":2}"}"#,
            r#"{"statusCode":401,"body":"{\"error\":\"signature_mismatch\"}"}"#,
        ]
    );
}
