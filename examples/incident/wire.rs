//! Just enough HTTP/1.1 for a client that wants to choose its own source address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// A response larger than this is not one of ours.
const LONGEST: usize = 64 * 1024;

/// The header that stands in for a source address where the machine has only one.
pub(crate) const PRETENDED: &str = "x-incident-address";

/// What everybody asks for, and what they say they are.
pub(crate) const TARGET: &str = "/search?q=small+oak+table";
pub(crate) const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) incident";

/// The one request that everybody sends, ordinary clients and attackers alike.
///
/// `pretended` is for machines whose loopback interface has a single address.
pub(crate) fn request(host: SocketAddr, pretended: Option<IpAddr>) -> Vec<u8> {
    let mut text = format!(
        "GET {TARGET} HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\nuser-agent: {AGENT}\r\n"
    );
    if let Some(address) = pretended {
        text.push_str(&format!("{PRETENDED}: {address}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the headers, as they were sent.
    pub(crate) head: String,
    /// Whether the connection can carry another request.
    pub(crate) reusable: bool,
}

impl Connection {
    /// Connects, from `source` if one is given.
    pub(crate) async fn open(source: Option<IpAddr>, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = source {
            // Thousands of short connections leave their ports in TIME_WAIT; this lets them be used
            // again.
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(to).await?;
        Ok(Self { stream, buffer: Vec::with_capacity(8 * 1024) })
    }

    /// Puts a request on the wire.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// Reads one whole response.
    pub(crate) async fn receive(&mut self) -> io::Result<Answer> {
        self.buffer.clear();
        let head_ends = loop {
            self.read_more().await?;
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_ends]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| io::Error::other("not an HTTP/1.1 status line"))?;
        let length = header(&head, "content-length").and_then(|value| value.parse::<usize>().ok());
        if let Some(length) = length {
            while self.buffer.len() < head_ends + length {
                self.read_more().await?;
            }
        }
        // Without a length the body ends with the connection: then this one is not used again.
        let closes = header(&head, "connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        Ok(Answer { status, head, reusable: length.is_some() && !closes })
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.buffer.len() > LONGEST {
            return Err(io::Error::other("the response is too long"));
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The value of a header, by its lower-case name.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
