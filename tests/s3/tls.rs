//! The way to the store is HTTPS, with certificates of an authority that not everybody trusts.

use landfall_testkit::{Authority, ObjectStore, Signal};

use crate::{
    CONFIGURATION, Lake, accept, assert_refused, config, landfall, live_once_more, run, start,
    stop_in_order, wait_for_warning, wait_until_landed, warnings,
};

#[test]
fn what_the_store_shows_must_be_trusted_and_events_land_once_it_is() {
    let (trusted, strange) = (Authority::new(), Authority::new());
    let mut store = ObjectStore::start_with_tls(&strange.issue());
    let prefix = "tls";
    let landfall = landfall().env("SSL_CERT_FILE", "authority.pem");
    landfall.write("authority.pem", &trusted.pem());
    let config = config(&store.https_endpoint(), prefix, "").replace("allow_http = true", "");
    let config = landfall.write("landfall.toml", &config);

    let said = "the endpoint's TLS certificate is not trusted";
    let refused = run(&landfall, "validate", &config);
    assert_refused(&refused, &[said, "SSL_CERT_FILE"]);
    let mut instance = start(landfall, &config);
    let mut accepted = accept(&instance, "kept", 5);
    wait_for_warning(&mut instance, &[&format!("cannot upload a batch: {said}")]);
    let cause = r#"error_code="untrusted_certificate""#;
    assert!(instance.metric_with("component_errors_total", cause) > 0.0);

    store.stop(Signal::TERM);
    store.set_identity(&trusted.issue());
    store.start_again();
    let mut lake = Lake::new(prefix);
    wait_until_landed(&mut instance, &store, &mut lake, accepted.len());
    accepted.extend(accept(&instance, "mended", 5));
    wait_until_landed(&mut instance, &store, &mut lake, accepted.len());
    instance.wait_until("nothing is warned of", |instance| {
        warnings(instance).is_empty()
    });
    let landfall = stop_in_order(instance);
    let landfall = live_once_more(landfall, &config);
    lake.assert_holds_once(&store, &accepted);

    assert_eq!(run(&landfall, "validate", &config).code, Some(0));
    landfall.write("authority.pem", &strange.pem());
    let refused = run(&landfall, "validate", &config);
    assert_eq!(refused.code, CONFIGURATION, "{refused}");
}
