use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

/// The address that a request really comes from, when it came over the connection of `peer`.
///
/// Every proxy appends the address that it was called from, so the list is only as good as its end: the right-most
/// address that is no trusted proxy's is the client's, and what stands left of it is the client's own claim. `None` if
/// a trusted proxy passed on something that says no address, or two headers that say different ones: then one of them
/// is the client's invention.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    let trusted = |address| proxies.iter().any(|network| network.contains(&address));
    if !trusted(peer) {
        return Some(peer);
    }
    let origin = |header: &str, address: fn(&str) -> Option<IpAddr>| {
        let mut client = peer;
        for line in headers.get_all(header).iter().rev() {
            for hop in line.to_str().ok()?.rsplit(',') {
                client = address(hop.trim())?.to_canonical();
                if !trusted(client) {
                    return Some(client);
                }
            }
        }
        Some(client)
    };
    match (
        headers.contains_key(X_FORWARDED_FOR),
        headers.contains_key(FORWARDED),
    ) {
        (true, false) => origin(X_FORWARDED_FOR, address),
        (false, true) => origin(FORWARDED, forwarded_for),
        (false, false) => Some(peer),
        (true, true) => {
            let client = origin(X_FORWARDED_FOR, address)?;
            (origin(FORWARDED, forwarded_for)? == client).then_some(client)
        }
    }
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    bare.unwrap_or(text).parse().ok().or_else(with_port)
}

/// The `for` of one element of `Forwarded` (RFC 7239), such as `for="[2001:db8::17]:4711";proto=https`.
///
/// Quotes that do not close within the element are none that a proxy writes: they would let a client swallow what the
/// proxy appended.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        if value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && found.replace(address(value)?).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_client_claims_it_is_taken_for_nobody_but_itself(
            claim in r#"[ -~]{0,40}|(,for=1\.1\.1\.1|;|=|"|\\| ){0,6}"#,
        ) {
            for (name, appended) in [
                ("x-forwarded-for", "203.0.113.5"),
                ("forwarded", "for=203.0.113.5;proto=https"),
            ] {
                let value = format!("{claim}, {appended}");
                let client = client_of("10.0.0.1", &[(name, &value)]);
                prop_assert_eq!(client.as_deref(), Some("203.0.113.5"));
            }
            // A proxy may pass on what the client called it, quoted and escaped.
            let host = claim.replace('\\', r"\\").replace('"', r#"\""#);
            let value = format!(r#"for=203.0.113.5;host="{host}""#);
            let client = client_of("10.0.0.1", &[("forwarded", &value)]);
            prop_assert!(client.is_none_or(|client| client == "203.0.113.5"));
        }
    }

    /// The client of a request from `peer`, where 10.0.0.0/8 and fd00::/8 are proxies.
    fn client_of(peer: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        client(peer.parse().unwrap(), &map, &proxies).map(|client| client.to_string())
    }

    #[test]
    fn the_right_most_address_that_is_no_proxys_is_the_client() {
        for (headers, expected) in [
            (&[][..], "10.0.0.1"),
            (&[("x-forwarded-for", "203.0.113.5")], "203.0.113.5"),
            (
                &[("x-forwarded-for", "1.1.1.1, 203.0.113.5, 10.2.0.1")],
                "203.0.113.5",
            ),
            (
                &[("x-forwarded-for", "unknown, 203.0.113.5:5234")],
                "203.0.113.5",
            ),
            (
                &[
                    ("x-forwarded-for", "1.1.1.1"),
                    ("x-forwarded-for", "2.2.2.2"),
                ],
                "2.2.2.2",
            ),
            (&[("x-forwarded-for", "10.3.0.1,10.2.0.1")], "10.3.0.1"),
            (&[("x-forwarded-for", "::ffff:203.0.113.5")], "203.0.113.5"),
            (&[("x-forwarded-for", "[2001:db8::1]:80")], "2001:db8::1"),
            (
                &[("forwarded", "for=1.1.1.1, For=203.0.113.5;proto=https")],
                "203.0.113.5",
            ),
            (
                &[("forwarded", r#"by=10.0.0.1 ; for="[2001:db8::1]:4711""#)],
                "2001:db8::1",
            ),
            (
                &[
                    ("forwarded", "for=2.2.2.2"),
                    ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
                ],
                "2.2.2.2",
            ),
        ] {
            assert_eq!(
                client_of("10.0.0.1", headers).as_deref(),
                Some(expected),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn what_names_no_address_or_two_has_no_client() {
        for headers in [
            &[("x-forwarded-for", "")][..],
            &[("x-forwarded-for", "203.0.113.5, unknown")],
            &[("x-forwarded-for", "203.0.113.5,")],
            &[("x-forwarded-for", "203.0.113.5é")],
            &[("forwarded", "proto=https")],
            &[("forwarded", "for=_hidden")],
            &[("forwarded", "for=2.2.2.2;for=3.3.3.3")],
            &[("forwarded", r#"for=1.1.1.1;host="x, for=2.2.2.2;z=""#)],
            &[("forwarded", r#"for="2.2.2.2"#)],
            &[("forwarded", "for=2.2.2.2"), ("x-forwarded-for", "3.3.3.3")],
        ] {
            assert_eq!(client_of("10.0.0.1", headers), None, "{headers:?}");
        }
    }

    #[test]
    fn who_is_no_proxy_names_nobody() {
        let headers = &[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=2.2.2.2")];
        for (peer, expected) in [
            ("203.0.113.5", "203.0.113.5"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
        ] {
            assert_eq!(client_of(peer, headers).as_deref(), Some(expected));
        }
        let headers = &[("x-forwarded-for", "1.1.1.1")];
        assert_eq!(
            client_of("::ffff:10.0.0.1", headers).as_deref(),
            Some("1.1.1.1")
        );
    }
}
