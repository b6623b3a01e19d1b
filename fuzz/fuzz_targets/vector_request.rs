//! Any request of a Vector, on its way to bodies: whatever comes is a message or a status, within the limit.
#![no_main]

use landfall_source_vector::BodyRule;
use landfall_vector_proto::{Code, Compression, Event, PushEventsRequest, frame};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let compression = match first % 3 {
        0 => Compression::None,
        1 => Compression::Gzip,
        _ => Compression::Zstd,
    };
    let rule = BodyRule::new("message", &["host".to_owned()]);
    match frame::decode::<PushEventsRequest>(body.to_vec().into(), compression, LIMIT) {
        Err(status) => assert_ne!(status.code, Code::Ok),
        Ok(request) => {
            // What is read is written and read again as the same.
            let again = frame::encode(&request, compression).expect("no message is too large");
            let again = frame::decode::<PushEventsRequest>(again, compression, 16 * LIMIT);
            let is_same =
                |again: &PushEventsRequest| format!("{again:?}") == format!("{request:?}");
            assert!(again.is_ok_and(|again| is_same(&again)));
            for event in request.events {
                if let Some(Event::Log(log)) = event.event {
                    // The same event always gives the same body.
                    let body = rule.body(log.clone()).ok();
                    assert_eq!(rule.body(log).ok(), body);
                }
            }
        }
    }
});
