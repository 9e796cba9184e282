//! Hosts: without user, port and a dot at the end, and in lower case.

/// The name or address in `user@host:port`, not yet in lower case.
///
/// - What comes before the last `@` is left out.
/// - `[…]` is an address, with or without a port after it.
/// - Otherwise a port is left out, which is a colon and any number of digits, none included; and then a dot
///   at the end, unless it is all there is or another one comes before it.
/// - What has other colons or brackets is no host, and stays as it is.
pub(super) fn without_port(authority: &[u8]) -> &[u8] {
    let host = match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => authority.get(at.saturating_add(1)..).unwrap_or_default(),
        None => authority,
    };
    if host.starts_with(b"[") {
        let end = host.iter().position(|byte| *byte == b']').map(|at| at.saturating_add(1));
        let halves = end.and_then(|end| host.split_at_checked(end));
        return match halves {
            Some((address, port)) if port.is_empty() || is_port(port) => address,
            _ => host,
        };
    }
    let colon = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let Some((name, port)) = host.split_at_checked(colon) else { return host };
    if !port.is_empty() && !is_port(port) {
        return host;
    }
    match name {
        [whole @ .., before, b'.'] if *before != b'.' => {
            name.get(..whole.len().saturating_add(1)).unwrap_or(name)
        }
        _ => name,
    }
}

/// Whether it is a colon and digits, which may be none (RFC 3986, section 3.2.3).
fn is_port(text: &[u8]) -> bool {
    text.split_first()
        .is_some_and(|(colon, digits)| *colon == b':' && digits.iter().all(u8::is_ascii_digit))
}

/// The host in lower case, in the buffer if that changes it.
pub(super) fn lower_case<'a>(host: &'a [u8], buffer: &'a mut [u8]) -> &'a [u8] {
    if !host.iter().any(u8::is_ascii_uppercase) {
        return host;
    }
    // The buffer is as long as any host that is looked at.
    let Some(lower) = buffer.get_mut(..host.len()) else { return host };
    lower.copy_from_slice(host);
    lower.make_ascii_lowercase();
    lower
}
