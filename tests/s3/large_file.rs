//! A file that is sent in parts.

use landfall_testkit::{Fault, FaultProxy, ObjectStore};

use crate::{
    Lake, config, live_once_more, post, prepare, start, stop_in_order, wait_for_warning,
    wait_until_landed, warnings,
};

const EVENTS: usize = 50;
const BODY: usize = 600_000;

#[test]
fn a_large_file_lands_whole_whatever_becomes_of_its_upload() {
    let store = ObjectStore::shared();
    let proxy = FaultProxy::of(store.address());
    let prefix = "large";
    // One batch, and one file.
    let batch = format!("batch = {{ max_events = {EVENTS}, timeout_secs = 300 }}");
    let config = config(&proxy.endpoint(), prefix, "").replace("batch.timeout_secs = 1", &batch);
    let (landfall, config) = prepare(&config);
    let mut instance = start(landfall, &config);
    proxy.set(Fault::ResetRequest(3_000_000));
    let accepted: Vec<_> = (0..EVENTS).map(|number| number.to_string()).collect();
    for id in &accepted {
        let answer = post(&instance, &large_event(id));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    wait_for_warning(&mut instance, &["cannot upload"]);

    // Killed while the answer to one of the first requests of each life is due: those of the probe, then those of the
    // upload.
    let mut landfall = instance.kill();
    for number in 4..11 {
        proxy.set(Fault::EveryNth(number, Box::new(Fault::Stall)));
        let mut instance = start(landfall, &config);
        instance.wait_until("an answer is due", |_| proxy.met() > 0);
        landfall = instance.kill();
    }

    proxy.set(Fault::EveryNth(2, Box::new(Fault::ResetAnswer(0))));
    let mut instance = start(landfall, &config);
    let mut lake = Lake::new(prefix);
    wait_until_landed(&mut instance, &store, &mut lake, EVENTS);
    instance.wait_until("nothing is warned of", |instance| {
        warnings(instance).is_empty()
    });
    proxy.set(Fault::None);
    live_once_more(stop_in_order(instance), &config);
    lake.assert_holds_once(&store, &accepted);
    let files = lake.events(&store);
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].size > 20_000_000, "{files:?} is not large");
}

/// An event that compresses badly.
fn large_event(id: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = 0x5eed_u64 + id.bytes().map(u64::from).sum::<u64>();
    let noise: String = (0..BODY)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            char::from(LETTERS[(random % 64) as usize])
        })
        .collect();
    format!(
        r#"{{"id":"{id}","name":"appcues:flow_started","account_id":"1","timestamp":1700000000000,"attributes":{{"flowId":"f","noise":"{noise}"}}}}"#
    )
}
