//! The documented events land, and other people's software reads them from the store.

use std::fs;

use landfall_testkit::{Landfall, ObjectStore, files_below, python, workspace_root};

use crate::{
    Lake, config, config_of_environment, landfall, post, start, stop_in_order, wait_until_landed,
};

#[test]
fn the_documented_events_land_with_keys_from_the_configuration() {
    let store = ObjectStore::shared();
    let prefix = "samples/keys";
    let config = config(&store.endpoint(), prefix, "");
    land_samples(&store, landfall(), &config, prefix);
}

#[test]
fn the_documented_events_land_with_keys_from_the_environment() {
    let store = ObjectStore::shared();
    let prefix = "samples/environment";
    let landfall = landfall()
        .env("AWS_ACCESS_KEY_ID", ObjectStore::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ObjectStore::SECRET_KEY)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", &store.endpoint())
        .env("AWS_ALLOW_HTTP", "true");
    let config = config_of_environment(prefix, "");
    land_samples(&store, landfall, &config, prefix);
}

fn land_samples(store: &ObjectStore, landfall: Landfall, config: &str, prefix: &str) {
    let config = landfall.write("landfall.toml", config);
    let mut instance = start(landfall, &config);
    let samples = workspace_root().join("crates/appcues/samples");
    let files = files_below(&samples, ".json");
    assert_eq!(files.len(), 13);
    for sample in files {
        let answer = post(&instance, &fs::read_to_string(sample).unwrap());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // Two of them share an id.
    let mut lake = Lake::new(prefix);
    wait_until_landed(&mut instance, store, &mut lake, 12);
    let (endpoint, samples) = (store.endpoint(), samples.display().to_string());
    stop_in_order(instance);
    let read = python(
        "check_s3.py",
        [
            "--endpoint",
            &endpoint,
            "--access-key",
            ObjectStore::ACCESS_KEY,
            "--secret-key",
            ObjectStore::SECRET_KEY,
            "--lake",
            &format!("{}/{prefix}", ObjectStore::BUCKET),
            "--samples",
            &samples,
        ],
    );
    assert_eq!(read, "13 events, as posted\n");
}
