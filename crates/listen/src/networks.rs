use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a list of networks, `203.0.113.0/24`, or addresses, `203.0.113.7`.
///
/// # Errors
/// When one is neither.
pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    let network = |value: &Value| {
        let text = value.as_str()?;
        let address = || Some(IpNet::from(text.parse::<IpAddr>().ok()?));
        text.parse().ok().or_else(address).map(canonical)
    };
    values
        .iter()
        .map(|value| {
            network(value).ok_or_else(|| {
                D::Error::custom("each must be an address or a network, such as \"203.0.113.0/24\"")
            })
        })
        .collect()
}

/// IPv4 where it is written as IPv6 (`::ffff:203.0.113.0/120`), as clients' addresses are.
fn canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else {
        return network;
    };
    let unmapped = network.max_prefix_len() - 32;
    let length = network.prefix_len().checked_sub(unmapped);
    let network_v4 = length.and_then(|length| IpNet::new(address.into(), length).ok());
    network_v4.unwrap_or(network)
}

/// Whether every address lies in `network`, so that it keeps nobody out.
pub fn is_everywhere(network: &IpNet) -> bool {
    network.prefix_len() == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn networks_are_those_of_the_addresses_that_clients_have_however_they_are_written() {
        let written = json!([
            "203.0.113.7",
            "203.0.113.0/24",
            "::ffff:203.0.113.7",
            "::ffff:203.0.113.0/120",
            "2001:db8::/32",
            "::/0",
        ]);
        let networks = networks(written).unwrap().into_iter();
        let expected = [
            "203.0.113.7/32",
            "203.0.113.0/24",
            "203.0.113.7/32",
            "203.0.113.0/24",
            "2001:db8::/32",
            "::/0",
        ];
        assert!(networks.map(|network| network.to_string()).eq(expected));
    }
}
