//! A client that keeps its connection, and that says what it likes and when.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for any machine: what takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    /// What has come and was not asked for yet.
    read: Vec<u8>,
}

/// A response with a length, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header, which the caller names in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Wire {
    pub(super) async fn to(server: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(server)).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap()
    }

    /// Asks, and reads the response.
    pub(super) async fn ask(&mut self, line: &str, headers: &str) -> io::Result<Answer> {
        self.send(format!("{line} HTTP/1.1\r\nhost: e2e.test\r\n{headers}\r\n")).await?;
        self.answer().await
    }

    pub(super) async fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.ask(&format!("GET {target}"), "").await
    }

    /// The next response; one without a length has no body here.
    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.unwrap(), head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            self.more().await?;
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Ok(answer)
    }

    /// The next lines up to an empty one: a response's head, or one that only says to go on.
    pub(super) async fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.read.drain(..end + 4).collect();
                return Ok(String::from_utf8(head).unwrap());
            }
            self.more().await?;
        }
    }

    /// Waits until this text has come, and forgets all up to its end.
    pub(super) async fn until(&mut self, text: &str) -> io::Result<()> {
        loop {
            let mut places = self.read.windows(text.len());
            if let Some(place) = places.position(|window| window == text.as_bytes()) {
                self.read.drain(..place + text.len());
                return Ok(());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.unwrap()? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
