use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use landfall_testkit::{Instance, Request};

use crate::{EVENT, PATH, landed, landfall, outcome, start_in};

/// Exchanges a file in one step, as whoever writes secrets should.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

fn send(instance: &Instance, secret: &str) -> String {
    let request = Request::post(PATH).signed(secret, EVENT).body(EVENT);
    outcome(&request.send(instance.source()))
}

fn start_with(files: &[&Path], landfall: landfall_testkit::Landfall) -> Instance {
    start_in(landfall, &format!("signature.secret_files = {files:?}"))
}

#[test]
fn a_key_is_rotated_through_files_without_a_lost_event() {
    let landfall = landfall();
    let first = landfall.write("first", "old key\n");
    let second = landfall.write("second", "old key");
    let mut instance = start_with(&[&first, &second], landfall);
    let address = instance.source();

    let key = Mutex::new("old key");
    let answered = Mutex::new(Vec::new());
    let finished = AtomicBool::new(false);
    let appcues = || {
        // The limit ends it if the test has failed meanwhile.
        let started = Instant::now();
        while !finished.load(Ordering::Relaxed) && started.elapsed() < Duration::from_secs(60) {
            let key = *key.lock().unwrap();
            let request = Request::post(PATH).signed(key, EVENT).body(EVENT);
            let outcome = outcome(&request.send(address));
            answered.lock().unwrap().push((key, outcome));
        }
    };
    let probes = thread::scope(|scope| {
        scope.spawn(appcues);
        let mut probes = 0;
        let mut wait_until_answered = |instance: &mut Instance, secret: &str, expected: &str| {
            instance.wait_until("a key changes", |instance| {
                let outcome = send(instance, secret);
                probes += usize::from(outcome == "200");
                outcome == expected
            });
        };
        replace(&second, "new key\n");
        wait_until_answered(&mut instance, "new key", "200");
        *key.lock().unwrap() = "new key";
        instance.wait_until("nothing signed with the old key is on its way", |_| {
            let answered = answered.lock().unwrap();
            answered.last().is_some_and(|(key, _)| *key == "new key")
        });
        replace(&first, "new key\n");
        wait_until_answered(&mut instance, "old key", "401 signature_mismatch");
        finished.store(true, Ordering::Relaxed);
        probes
    });
    let answered = answered.into_inner().unwrap();
    assert!(
        answered.iter().all(|(_, outcome)| outcome == "200"),
        "{answered:?}"
    );
    assert_eq!(landed(&instance, "events"), answered.len() + probes);
}

#[test]
fn a_file_that_vanishes_or_is_emptied_leaves_the_last_key_in_use_and_is_reported_once() {
    let landfall = landfall();
    let file = landfall.write("secret", "old key");
    let mut instance = start_with(&[&file], landfall);
    let reports = |instance: &Instance, problem: &str| {
        let stderr = instance.stderr();
        let reports = stderr.lines().filter(|line| line.contains("\"ERROR\""));
        reports.filter(|line| line.contains(problem)).count()
    };
    let break_it: [(&str, &dyn Fn()); 2] = [
        ("is empty", &|| fs::write(&file, "\n").unwrap()),
        ("cannot be read", &|| fs::remove_file(&file).unwrap()),
    ];
    for (problem, break_it) in break_it {
        break_it();
        instance.wait_until(problem, |instance| reports(instance, problem) > 0);
        assert_eq!(send(&instance, "old key"), "200");
    }
    replace(&file, "new key");
    instance.wait_until("the new key is known", |instance| {
        send(instance, "new key") == "200"
    });
    assert_eq!(send(&instance, "old key"), "401 signature_mismatch");
    for (problem, _) in break_it {
        assert_eq!(reports(&instance, problem), 1, "{}", instance.stderr());
    }
}

#[test]
fn keys_of_accounts_follow_their_files_too() {
    let landfall = landfall();
    let file = landfall.write("secret", "old key");
    let settings = format!("accounts = [{{ id = \"7\", secret_files = [{file:?}] }}]");
    let mut instance = start_in(landfall, &settings);
    let body: &[u8] =
        br#"{"id": "1", "name": "appcues:flow_started", "timestamp": 1684867471283, "account_id": "7"}"#;
    let send = |instance: &Instance, secret: &str| {
        let request = Request::post(PATH).signed(secret, body).body(body);
        outcome(&request.send(instance.source()))
    };
    assert_eq!(send(&instance, "old key"), "200");
    replace(&file, "new key");
    instance.wait_until("the new key is known", |instance| {
        send(instance, "new key") == "200"
    });
    assert_eq!(send(&instance, "old key"), "401 signature_mismatch");
}
