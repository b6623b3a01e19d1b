use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimePrinter;
use landfall_testkit::{
    Ended, Landfall, ObjectStore, Outage, Process, SIGNED, SmallDisk, config, free_address,
};
use serde_json::Value;

use crate::{SECRET, landfall, post};

/// A buffer, a memory and a number of connections that any machine has.
const MODEST: &str = "buffer.max_size = 67108864\nbatch = { max_bytes = 1048576, timeout_secs = 300 }\ndeduplicate.max_ids = 1000";

fn modest() -> String {
    let source =
        format!("{SIGNED}\nlimits = {{ max_connections = 10, max_bytes_in_flight = 16777216 }}");
    config(&source, MODEST)
}

/// What `landfall doctor` found, as weight, subject and text, but for what a busy machine does to its disk.
fn found(ended: &Ended) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended}"));
    let findings: Vec<_> = report["findings"].as_array().unwrap().iter().collect();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let rank = |finding: &&Value| match finding["weight"].as_str() {
        Some("trouble") => 0,
        Some("worry") => 1,
        _ => 2,
    };
    assert!(findings.is_sorted_by_key(rank), "{ended}");
    for finding in &findings {
        let is_fine = finding["weight"] == "fine";
        assert_eq!(text(finding, "advice").is_empty(), is_fine, "{finding}");
    }
    let all_fine = findings.iter().all(|finding| finding["weight"] == "fine");
    assert_eq!(ended.code, Some(i32::from(!all_fine)), "{ended}");
    let is_slow = |finding: &&&Value| {
        finding["about"] == "fsync" && finding["what"].as_str().unwrap().contains("p99")
    };
    let findings = findings.iter().filter(|finding| !is_slow(finding));
    findings
        .map(|finding| {
            (
                text(finding, "weight"),
                text(finding, "about"),
                text(finding, "what"),
            )
        })
        .collect()
}

fn doctor(landfall: &Landfall, config: &str) -> Vec<(String, String, String)> {
    let file = landfall.write("doctor.toml", config);
    found(&landfall.run([
        "doctor",
        "--format",
        "json",
        "--config",
        file.to_str().unwrap(),
    ]))
}

/// The text of the one finding that is not fine.
#[track_caller]
fn only_complaint(found: &[(String, String, String)], weight: &str, about: &str) -> String {
    let complaints: Vec<_> = found
        .iter()
        .filter(|(weight, ..)| weight != "fine")
        .collect();
    match complaints[..] {
        [(w, a, what)] if w == weight && a == about => what.clone(),
        _ => panic!("{weight} of {about} should be all: {found:#?}"),
    }
}

#[test]
fn a_machine_on_which_all_is_well_is_told_to_be() {
    let landfall = landfall();
    let found = doctor(&landfall, &modest());
    assert!(
        found.iter().all(|(weight, ..)| weight == "fine"),
        "{found:#?}"
    );
    for about in [
        "clock",
        "configuration",
        "disk",
        "memory",
        "open files",
        "ports",
        "storage",
    ] {
        assert!(
            found.iter().any(|(_, known, _)| known == about),
            "{about}: {found:#?}"
        );
    }
    let file = landfall.dir().join("doctor.toml");
    let text = landfall.run(["doctor", "--config", file.to_str().unwrap()]);
    assert!(text.stdout.contains("memory: "), "{text}");
    let broken = landfall.write("broken.toml", "[sinks.lake]\ntype = \"parkuet\"");
    let ended = landfall.run(["doctor", "--config", broken.to_str().unwrap()]);
    assert_eq!(ended.code, Some(78), "{ended}");
}

#[test]
fn a_port_that_another_program_holds_is_trouble_and_one_of_a_running_instance_is_not() {
    let prepared = landfall();
    let held = TcpListener::bind(prepared.source()).unwrap();
    let found = doctor(&prepared, &modest());
    let what = only_complaint(&found, "trouble", "ports");
    assert!(what.contains(&prepared.source().to_string()), "{what}");
    drop(held);

    let file = prepared.write("landfall.toml", &modest());
    let instance = prepared.start(&file);
    let found = doctor(instance.landfall(), &modest());
    assert!(
        found.iter().all(|(weight, ..)| weight == "fine"),
        "{found:#?}"
    );
    assert!(
        found.iter().any(|(_, about, _)| about == "instance"),
        "{found:#?}"
    );
}

#[test]
fn an_address_that_is_not_of_this_machine_is_trouble_with_advice_of_its_own() {
    let landfall = landfall();
    let elsewhere = modest().replace("{source}", "203.0.113.1:8080");
    let file = landfall.write("landfall.toml", &elsewhere);
    let ended = landfall.run(["doctor", "--config", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended}");
    for said in [
        "cannot listen on 203.0.113.1:8080",
        "choose an address that this machine has",
    ] {
        assert!(ended.stdout.contains(said), "{ended}");
    }
}

#[test]
fn a_limit_of_open_files_that_is_too_low_for_all_sources_is_a_worry() {
    let landfall = landfall();
    let vector = format!(
        "[sources.vector]\ntype = \"vector\"\naddress = \"{}\"\n\
         limits = {{ max_connections = 20, max_bytes_in_flight = 1073741824 }}",
        free_address()
    );
    let both = modest().replace(r#"["appcues"]"#, r#"["appcues", "vector"]"#);
    let file = landfall.write("landfall.toml", &format!("{both}\n{vector}"));
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 200; ulimit -Hn 200; exec \"$@\"", "sh"])
        .args([
            env!("CARGO_BIN_EXE_landfall"),
            "doctor",
            "--format",
            "json",
            "--config",
        ])
        .arg(&file)
        .current_dir(landfall.dir())
        .env("APPCUES_WEBHOOK_SECRET", SECRET);
    let ended = Process::spawn(&mut command).wait(Duration::from_secs(60));
    let found = found(&ended);
    let about = |about: &str| found.iter().find(|found| found.1 == about).unwrap();
    let (weight, _, what) = about("open files");
    assert_eq!(weight, "worry");
    assert!(what.contains("200") && what.contains("542"), "{what}");
    let (_, _, what) = about("memory");
    assert!(what.starts_with("1.1 GiB"), "{what}");
}

#[test]
fn a_disk_that_is_smaller_than_the_buffer_is_a_worry_and_a_full_one_trouble() {
    let name = "doctor::a_disk_that_is_smaller_than_the_buffer_is_a_worry_and_a_full_one_trouble";
    SmallDisk::with(8, name, |disk| {
        let landfall = landfall();
        let Some(disk) = disk else {
            // No disk has room for this.
            let text = modest().replace("67108864", "1000000000000000");
            only_complaint(&doctor(&landfall, &text), "worry", "disk");
            return;
        };
        let data = disk.path().join("data");
        let text = modest().replace("{dir}/data", data.to_str().unwrap());
        let what = only_complaint(&doctor(&landfall, &text), "worry", "disk");
        assert!(what.contains("64.0 MiB"), "{what}");
        let _ballast = disk.fill();
        let found = doctor(&landfall, &text);
        let is_trouble =
            |(weight, about, _): &(String, String, String)| weight == "trouble" && about == "fsync";
        assert!(found.iter().any(is_trouble), "{found:#?}");
    });
}

#[test]
fn a_wrong_key_of_the_store_is_trouble_and_its_clock_is_compared() {
    let store = ObjectStore::shared();
    let landfall = landfall();
    let uri = format!("uri = \"s3://{}/doctor\"", ObjectStore::BUCKET);
    let storage = format!(
        "[sinks.lake.storage]\nendpoint = \"{}\"\nregion = \"us-east-1\"\nallow_http = \"true\"\naccess_key_id = \"{}\"\nsecret_access_key = \"not-this-one\"\n",
        store.endpoint(),
        ObjectStore::ACCESS_KEY
    );
    let text = modest().replace("uri = \"{dir}/lake\"", &uri) + &storage;
    let found = doctor(&landfall, &text);
    let what = only_complaint(&found, "trouble", "storage");
    assert!(
        what.contains("the secret key does not fit the access key"),
        "{what}"
    );
    let compared = |(_, about, what): &(String, String, String)| {
        about == "clock" && what.contains("the store of sinks.lake")
    };
    assert!(found.iter().any(compared), "{found:#?}");
    assert!(!format!("{found:?}").contains("not-this-one"));
}

/// The address of a server of which nothing is known but what it takes for the time; it ends with the process.
fn server_that_is_late_by(seconds: i64) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The head at least, so that the answer does not meet a reset.
            let mut head = BufReader::new(&stream).lines();
            while head
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let time = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
            let date = DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&time)
                .unwrap();
            let answer = format!(
                "HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            // Whoever asks may have gone away.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_clock_that_is_not_that_of_the_store_is_a_worry() {
    for (seconds, weight, least) in [
        (1, "fine", 0),
        (-1, "fine", 0),
        (120, "worry", 115),
        (-120, "worry", 115),
    ] {
        let store = server_that_is_late_by(seconds);
        let storage = format!(
            "[sinks.lake.storage]\nendpoint = \"http://{store}\"\nregion = \"us-east-1\"\nallow_http = \"true\"\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\n"
        );
        let text = modest().replace("{dir}/lake", "s3://bucket/doctor") + &storage;
        let found = doctor(&landfall(), &text);
        let (found, _, what) = found
            .iter()
            .find(|(.., what)| what.contains("from that of the store of sinks.lake"))
            .unwrap();
        let off: u64 = what.split_once(" s ").unwrap().0.parse().unwrap();
        assert!(
            found == weight && (least..least + 10).contains(&off),
            "{what}"
        );
    }
}

#[test]
fn events_that_nothing_lands_are_told() {
    let landfall = landfall();
    let file = landfall.write("landfall.toml", &modest());
    let instance = landfall.start(&file);
    let lake = instance.dir().join("lake");
    let outage = Outage::of(Path::new(&lake));
    assert_eq!(post(&instance, "{\"id\":\"1\"}").status, 200);
    let landfall = instance.kill();
    drop(outage);
    let what = only_complaint(&doctor(&landfall, &modest()), "worry", "lake");
    assert!(!what.starts_with('0') && what.contains("lake"), "{what}");

    let renamed = modest().replace("[sinks.lake]", "[sinks.other]");
    let found = doctor(&landfall, &renamed);
    let what = only_complaint(&found, "trouble", "journal");
    assert!(what.contains("data/lake"), "{what}");
}
