//! A connection that stays open: HTTP/1.1 as it is written, for what a client of few words cannot do.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Long enough for a machine that does something else meanwhile; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection from an address of the test's choice.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// A response, read to its end and no further.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    lines: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header line, which the caller names in lower case.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines.iter();
        lines.find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The names of all header lines, in lower case.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(name, _)| name.as_str())
    }
}

impl Connection {
    /// From this address, to this server.
    pub(crate) async fn open(from: impl Into<IpAddr>, server: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let stream = timeout(PATIENCE, socket.connect(server)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The address that the server sees.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().unwrap()
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await?
    }

    /// A request without a body, with these header lines, each with its end.
    pub(crate) async fn get(&mut self, path: &str, lines: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: e2e.test\r\n{lines}\r\n");
        self.send(request.as_bytes()).await?;
        self.answer().await
    }

    /// The next response.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        timeout(PATIENCE, self.read_answer(None)).await?
    }

    /// The next response, which has no body if it has no length.
    pub(crate) async fn answer_or_empty(&mut self) -> io::Result<Answer> {
        timeout(PATIENCE, self.read_answer(Some(0))).await?
    }

    /// The next response, of which only the head is sent, whatever its length is said to be.
    pub(crate) async fn head(&mut self) -> io::Result<Answer> {
        let first = timeout(PATIENCE, self.read_line()).await??;
        timeout(PATIENCE, self.read_head(&first)).await?
    }

    async fn read_answer(&mut self, length: Option<usize>) -> io::Result<Answer> {
        let first = self.read_line().await?;
        let mut answer = self.read_head(&first).await?;
        let told = answer.line("content-length").and_then(|length| length.parse().ok());
        let length =
            told.or(length).ok_or_else(|| io::Error::other(format!("{answer:?} has no length")))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        answer.body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(answer)
    }

    async fn read_head(&mut self, first: &str) -> io::Result<Answer> {
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("{first:?} is no response")))?;
        let mut answer = Answer { status, lines: Vec::new(), body: String::new() };
        loop {
            let line = self.read_line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            answer.lines.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(answer)
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> io::Result<String> {
        timeout(PATIENCE, self.read_line()).await?
    }

    async fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Waits until this text has come, and forgets all up to its end.
    pub(crate) async fn until(&mut self, text: &str) -> io::Result<()> {
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            read.push(timeout(PATIENCE, self.stream.read_u8()).await??);
        }
        Ok(())
    }

    /// What the server sends until it closes the connection, which it must.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A server that closes while bytes of ours are unread resets the connection: closed is closed.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("closed");
        rest
    }
}
