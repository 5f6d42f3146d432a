//! The addresses that a webhook may be sent to.
//!
//! A customer chooses the URL of a webhook. Without a guard the URL could name a neighbour of the
//! deployment: a database, a cloud's metadata service. The guard checks the address that is dialled:
//! a literal in the URL (which the resolver never sees), the addresses that a name resolves to at
//! that moment, and both again at each redirect. The refused ranges come from the IANA
//! special-purpose registries (RFC 6890 and its successors). An IPv6 address that contains an IPv4
//! address is judged by the IPv4 address.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// The addresses that are allowed in addition to public ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardPolicy {
    /// Allow loopback, private (RFC 1918, RFC 4193) and shared (RFC 6598) addresses: for development,
    /// and for receivers in the same network. Link-local addresses, and so metadata services, stay
    /// refused.
    pub allow_private: bool,
    /// Allow these networks, whichever they are.
    pub allow_networks: Vec<IpNet>,
}

/// Why an address or a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Webhooks may not go to the address.
    #[error("address {address} is refused: {range}")]
    Address {
        /// The address.
        address: IpAddr,
        /// The refused range of the address.
        range: &'static str,
    },
    /// Webhooks cannot be POSTed to the URL.
    #[error("the URL is refused: {0}")]
    Url(&'static str),
}

/// Judges addresses and URLs.
#[derive(Debug, Clone, Default)]
pub struct AddressGuard {
    policy: GuardPolicy,
}

impl AddressGuard {
    /// A guard with this policy.
    #[must_use]
    pub const fn new(policy: GuardPolicy) -> Self {
        Self { policy }
    }

    /// Judges an address that is about to be dialled.
    ///
    /// # Errors
    /// If the address or URL is refused.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Forbidden> {
        let judged = carried(address);
        let listed = |ip: IpAddr| self.policy.allow_networks.iter().any(|net| net.contains(&ip));
        if listed(address) || listed(judged) {
            return Ok(());
        }
        match class(judged) {
            Class::Public => Ok(()),
            Class::Private(_) if self.policy.allow_private => Ok(()),
            Class::Private(range) | Class::Special(range) => Err(Forbidden::Address { address, range }),
        }
    }

    /// Judges a URL: its scheme, and its host if that is an address. A name is judged when it is
    /// resolved.
    ///
    /// The `url` crate has already turned decimal, octal, hexadecimal and shortened IPv4 hosts into
    /// addresses (WHATWG URL, "host parsing").
    ///
    /// # Errors
    /// If the address or URL is refused.
    pub fn check_url(&self, url: &Url) -> Result<(), Forbidden> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Forbidden::Url("its scheme is neither https nor http"));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(name)) if !name.is_empty() => Ok(()),
            Some(Host::Domain(_)) | None => Err(Forbidden::Url("it has no host")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Public,
    Private(&'static str),
    Special(&'static str),
}

/// The IPv4 address in an IPv6 address, if there is one.
fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        // ::ffff:0:0/96, mapped (RFC 4291); 64:ff9b::/96, NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // ::/96, compatible (RFC 4291, deprecated), except :: and ::1.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => v4(high, low),
        _ => address,
    }
}

fn v4(high: u16, low: u16) -> IpAddr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into()
}

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [0, ..] => Class::Special("unspecified, 0.0.0.0/8"),
        [127, ..] => Class::Private("loopback, 127.0.0.0/8"),
        [10, ..] => Class::Private("private, 10.0.0.0/8"),
        [172, 16..=31, ..] => Class::Private("private, 172.16.0.0/12"),
        [192, 168, ..] => Class::Private("private, 192.168.0.0/16"),
        // In shared space, but also a metadata service (Alibaba Cloud).
        [100, 100, 100, 200] => Class::Special("metadata service"),
        [100, 64..=127, ..] => Class::Private("shared, 100.64.0.0/10"),
        [169, 254, ..] => Class::Special("link-local and metadata, 169.254.0.0/16"),
        // Azure's platform address, in otherwise public space.
        [168, 63, 129, 16] => Class::Special("metadata service"),
        [192, 0, 0, _] => Class::Special("protocol assignments, 192.0.0.0/24"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Special("documentation"),
        [192, 88, 99, _] => Class::Special("6to4 relay, 192.88.99.0/24"),
        [198, 18..=19, ..] => Class::Special("benchmarking, 198.18.0.0/15"),
        [224..=239, ..] => Class::Special("multicast, 224.0.0.0/4"),
        [240..=255, ..] => Class::Special("reserved, 240.0.0.0/4"),
        _ => Class::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Special("unspecified, ::"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Private("loopback, ::1"),
        // AWS's metadata service, in unique local space.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Class::Special("metadata service"),
        [0xfc00..=0xfdff, ..] => Class::Private("unique local, fc00::/7"),
        [0xfe80..=0xfebf, ..] => Class::Special("link-local, fe80::/10"),
        [0xff00..=0xffff, ..] => Class::Special("multicast, ff00::/8"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Class::Special("documentation"),
        [0x2001, 0..=0x01ff, ..] => Class::Special("protocol assignments and Teredo, 2001::/23"),
        [0x2002, ..] => Class::Special("6to4, 2002::/16"),
        // Global unicast is 2000::/3 only (RFC 4291, 2.4).
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Special("not global unicast"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(guard: &AddressGuard, url: &str) -> Result<(), Forbidden> {
        guard.check_url(&Url::parse(url).expect("a URL"))
    }

    const NEVER_BY_DEFAULT: &[&str] = &[
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://10.1.2.3/",
        "http://172.31.255.255/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://168.63.129.16/",
        "http://192.0.2.7/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::7f00:1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::1]/",
        "http://[2001::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://[100::1]/",
    ];

    #[test]
    fn special_addresses_are_refused_in_every_spelling() {
        for url in NEVER_BY_DEFAULT {
            assert!(matches!(check(&AddressGuard::default(), url), Err(Forbidden::Address { .. })), "{url}");
        }
    }

    #[test]
    fn public_addresses_and_names_pass() {
        for url in [
            "https://1.1.1.1/",
            "https://172.32.0.1/",
            "https://[2606:4700::1111]/",
            "https://[64:ff9b::1.1.1.1]/",
            "https://[::ffff:1.1.1.1]/",
            "https://hooks.example.com/x",
        ] {
            assert_eq!(check(&AddressGuard::default(), url), Ok(()), "{url}");
        }
    }

    #[test]
    fn only_http_is_sent() {
        for url in ["ftp://example.com/", "file:///etc/passwd", "unix:/run/x", "data:,x"] {
            assert!(matches!(check(&AddressGuard::default(), url), Err(Forbidden::Url(_))), "{url}");
        }
    }

    #[test]
    fn allow_private_leaves_metadata_services_refused() {
        let guard = AddressGuard::new(GuardPolicy { allow_private: true, ..GuardPolicy::default() });
        for url in ["http://127.0.0.1/", "http://[::1]/", "http://10.0.0.1/", "http://[fd00::1]/"] {
            assert_eq!(check(&guard, url), Ok(()), "{url}");
        }
        for url in [
            "http://169.254.169.254/",
            "http://[::ffff:169.254.169.254]/",
            "http://100.100.100.200/",
            "http://[fd00:ec2::254]/",
            "http://0.0.0.0/",
            "http://[fe80::1]/",
        ] {
            assert!(check(&guard, url).is_err(), "{url}");
        }
    }

    #[test]
    fn listed_networks_pass_in_either_form() {
        let networks = vec!["10.9.0.0/16".parse().unwrap()];
        let guard = AddressGuard::new(GuardPolicy { allow_private: false, allow_networks: networks });
        assert_eq!(check(&guard, "http://10.9.1.1/"), Ok(()));
        assert_eq!(check(&guard, "http://[::ffff:10.9.1.1]/"), Ok(()));
        assert!(check(&guard, "http://10.8.1.1/").is_err());
    }

    proptest! {
        #[test]
        fn an_embedded_address_is_judged_as_the_one_it_carries(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let alone = AddressGuard::default().check_address(v4.into()).is_ok();
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            for v6 in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            ] {
                prop_assert_eq!(AddressGuard::default().check_address(v6.into()).is_ok(), alone);
            }
        }
    }
}
