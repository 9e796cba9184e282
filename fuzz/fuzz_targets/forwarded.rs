//! Forwarding headers: whatever is sent, the answer is an address that one of ours vouched for.
#![no_main]

use std::net::IpAddr;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis::{ClientIp, ForwardedBy, Request, Trust, request::Reason};

#[derive(Arbitrary, Debug)]
struct Story<'a> {
    header: u8,
    hops: Option<u8>,
    from_proxy: bool,
    lines: Vec<&'a [u8]>,
    /// What a client that knows all this puts in front.
    prepended: &'a [u8],
}

fuzz_target!(|story: Story<'_>| {
    let names = ["x-forwarded-for", "forwarded", "x-real-ip", "cloudfront-viewer-address"];
    let name = names[usize::from(story.header) % names.len()];
    let trust = match story.hops {
        Some(hops) => Trust::Hops(hops),
        None => Trust::nets(["uniquelocal", "2001:db8::/32"]).expect("prefixes"),
    };
    let clients = ClientIp::new(trust, ForwardedBy::header(name));
    let peer = IpAddr::from(if story.from_proxy { [10, 0, 0, 1] } else { [203, 0, 113, 9] });

    let request = |lines: &[Vec<u8>]| {
        let request =
            lines.iter().fold(Request::new(peer), |request, line| request.header(name, line));
        clients.resolve(&request).expect("the peer is known")
    };
    let lines: Vec<Vec<u8>> = story.lines.iter().map(|line| line.to_vec()).collect();
    let found = request(&lines);
    assert_eq!(found.ip, found.ip.to_canonical());
    match found.reason {
        Reason::Peer | Reason::PeerUntrusted | Reason::NoHeader | Reason::TooFewHops => {
            assert_eq!(found.ip, peer);
        }
        _ => {}
    }

    // A line before, and a start of the first line, are the client's to choose.
    let chained = matches!(name, "x-forwarded-for" | "forwarded");
    if chained && found.reason == Reason::Header {
        let mut more = vec![story.prepended.to_vec()];
        more.extend(lines.iter().cloned());
        assert_eq!(request(&more), found);
        let mut longer = lines;
        if let Some(first) = longer.first_mut() {
            let mut line = story.prepended.to_vec();
            line.extend_from_slice(b", ");
            line.append(first);
            *first = line;
        }
        assert_eq!(request(&longer), found);
    }
});
