//! `landfall validate` says in one sentence what is wrong with the storage.

use landfall_testkit::{Ended, Fault, FaultProxy, ObjectStore, free_address};

use crate::{assert_refused, config, prepare, run};

const PREFIX: &str = "validate";

#[track_caller]
fn validate(config: &str) -> Ended {
    let (landfall, config) = prepare(config);
    run(&landfall, "validate", &config)
}

/// Validates with the shared store, and `from` in its configuration replaced by `to`.
#[track_caller]
fn validate_with(from: &str, to: &str) -> Ended {
    let store = ObjectStore::shared();
    let config = config(&store.endpoint(), PREFIX, "");
    assert!(config.contains(from), "{config}");
    validate(&config.replace(from, to))
}

#[test]
fn storage_that_works_is_valid_and_left_as_it_was() {
    let store = ObjectStore::shared();
    let prefix = "validate/works";
    let ended = validate(&config(&store.endpoint(), prefix, ""));
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(store.objects(prefix), []);
}

#[test]
fn a_bucket_that_does_not_exist_is_named() {
    let ended = validate_with(ObjectStore::BUCKET, "no-such-bucket");
    assert_refused(&ended, &["there is no such bucket", "s3://no-such-bucket/"]);
}

#[test]
fn a_wrong_access_key_is_named() {
    let ended = validate_with(ObjectStore::ACCESS_KEY, "nobodys-key");
    assert_refused(&ended, &["the store does not know this access key"]);
}

#[test]
fn a_wrong_secret_key_is_named() {
    let ended = validate_with(ObjectStore::SECRET_KEY, "not-this-one");
    assert_refused(&ended, &["the secret key does not fit the access key"]);
}

#[test]
fn a_key_that_may_only_read_is_told_what_it_needs() {
    let store = ObjectStore::shared();
    let config = config(&store.endpoint(), PREFIX, "")
        .replace(ObjectStore::ACCESS_KEY, ObjectStore::READER_ACCESS_KEY)
        .replace(ObjectStore::SECRET_KEY, ObjectStore::READER_SECRET_KEY);
    assert_refused(&validate(&config), &["access is denied", "put, get"]);
}

#[test]
fn an_endpoint_that_nobody_listens_on_is_named() {
    let endpoint = format!("http://{}", free_address());
    let ended = validate(&config(&endpoint, PREFIX, ""));
    assert_refused(&ended, &["nothing listens at the endpoint"]);
}

#[test]
fn an_endpoint_that_does_not_answer_is_named_within_seconds() {
    let store = ObjectStore::shared();
    let proxy = FaultProxy::of(store.address());
    proxy.set(Fault::Stall);
    let ended = validate(&config(&proxy.endpoint(), PREFIX, ""));
    assert_refused(&ended, &["does not answer within 10s"]);
}

#[test]
fn https_to_a_port_that_speaks_http_is_named() {
    let ended = validate_with("http://", "https://");
    assert_refused(&ended, &["TLS"]);
}

#[test]
fn a_setting_that_the_store_does_not_have_is_named() {
    let ended = validate_with("endpoint =", "endpont =");
    assert_refused(&ended, &["storage.endpont", "no such setting"]);
}
