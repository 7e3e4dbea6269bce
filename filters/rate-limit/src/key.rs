use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Deserializer, de};
use sluice_filter::{Exchange, Request, values::HeaderName};

/// Something of a request that requests are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    ClientAddress,
    Header(HeaderName),
    Host,
    Method,
    Path,
    Route,
}

/// The client's address is asked for and not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing;

impl Part {
    /// Its value in a request; none when the request has no such header.
    pub(crate) fn read<S>(
        &self,
        request: &Request,
        exchange: &Exchange<S>,
        ipv6_prefix: u8,
    ) -> Result<Option<Vec<u8>>, Missing> {
        Ok(Some(match self {
            Self::ClientAddress => network(&exchange.client_address().ok_or(Missing)?, ipv6_prefix),
            Self::Header(name) => return Ok(request.header(name).map(Vec::from)),
            Self::Host => request.authority().to_ascii_lowercase().into_bytes(),
            Self::Method => request.method().into_bytes(),
            Self::Path => {
                let mut path = request.path().into_bytes();
                path.truncate(path.iter().position(|byte| *byte == b'?').unwrap_or(path.len()));
                path
            }
            Self::Route => exchange.route().into_bytes(),
        }))
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match (text.as_str(), text.strip_prefix("header:")) {
            (_, Some(name)) => Self::Header(HeaderName::new(name).map_err(de::Error::custom)?),
            ("client-address", _) => Self::ClientAddress,
            ("host", _) => Self::Host,
            ("method", _) => Self::Method,
            ("path", _) => Self::Path,
            ("route", _) => Self::Route,
            _ => {
                return Err(de::Error::custom(format!(
                    "{text:?} is none of client-address, header:NAME, host, method, path and route"
                )));
            }
        })
    }
}

/// The part of an address that is one client's.
fn network(address: &str, ipv6_prefix: u8) -> Vec<u8> {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.octets().into(),
        Ok(IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).octets().into()
        }
        // Not an address as we know them: then all of it.
        Err(_) => address.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_a_network_and_an_ipv4_client_an_address() {
        assert_eq!(network("192.0.2.7", 64), [192, 0, 2, 7]);
        assert_eq!(network("::ffff:192.0.2.7", 64), [192, 0, 2, 7]);
        assert_eq!(network("2001:db8::1", 64), network("2001:db8::ffff:1", 64));
        assert_ne!(network("2001:db8:0:1::1", 64), network("2001:db8::1", 64));
        assert_ne!(network("2001:db8::1", 128), network("2001:db8::2", 128));
        assert_eq!(network("2001:db8::1", 0), [0; 16]);
        assert_eq!(network("unix", 64), b"unix");
    }
}
