//! A Redis or Valkey of our own: it is started, killed, and started again.

use std::{
    error::Error,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::Client;
use tokio::time;

/// What is tried, in this order, unless the environment says what it is.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
const PROGRAM: &str = "PORTCULLIS_REDIS_SERVER";
const URL: &str = "REDIS_URL";

/// How long it may take to get ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that answers. What was started here ends, and its folder goes, when this is dropped.
pub(crate) struct Server {
    address: String,
    /// `None` if it is somebody else's.
    own: Option<Own>,
}

struct Own {
    program: String,
    folder: PathBuf,
    /// `None` while it is dead.
    child: Option<Child>,
}

impl Server {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let server = match std::env::var(URL) {
            Ok(address) => Self { address, own: None },
            Err(_) => {
                let own = Own::start()?;
                Self { address: format!("redis+unix://{}", own.socket().display()), own: Some(own) }
            }
        };
        server.until_it_answers().await?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// With no time to say goodbye. Whether that could be done.
    pub(crate) fn kill(&mut self) -> Result<bool, Box<dyn Error>> {
        let Some(own) = &mut self.own else { return Ok(false) };
        own.kill()?;
        Ok(true)
    }

    /// Another one in the same place, that knows nothing of what was there.
    pub(crate) async fn again(&mut self) -> Result<(), Box<dyn Error>> {
        if let Some(own) = &mut self.own {
            own.child = Some(spawned(&own.program, &own.folder)?);
        }
        self.until_it_answers().await
    }

    async fn until_it_answers(&self) -> Result<(), Box<dyn Error>> {
        let client = Client::open(self.address.as_str())?;
        let answers = async {
            while ping(&client).await.is_err() {
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Addresses have passwords in them.
        let silence = match self.own {
            Some(_) => "the Redis that was started does not answer",
            None => "nobody answers at REDIS_URL",
        };
        time::timeout(PATIENCE, answers).await.map_err(|_| silence.into())
    }
}

async fn ping(client: &Client) -> redis::RedisResult<String> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

impl Own {
    fn start() -> Result<Self, Box<dyn Error>> {
        let programs = match std::env::var(PROGRAM) {
            Ok(program) => vec![program],
            Err(_) => PROGRAMS.map(str::to_owned).to_vec(),
        };
        let folder = std::env::temp_dir().join(format!("portcullis-fleet-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut own = Self { program: String::new(), folder, child: None };
        for program in programs {
            match spawned(&program, &own.folder) {
                Ok(child) => {
                    (own.program, own.child) = (program, Some(child));
                    return Ok(own);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{program} cannot be started: {error}").into()),
            }
        }
        Err(format!(
            "there is no Redis to share a limit in.\n\
             Install redis-server or valkey-server (on Debian and Ubuntu: apt-get install redis-server), or say\n\
             where one is: {PROGRAM}=/path/to/redis-server, or {URL}=redis://127.0.0.1:6379 for one that runs."
        )
        .into())
    }

    fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    fn kill(&mut self) -> std::io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Both fail only when they are gone already.
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// In memory only, and on no port: nobody else finds it.
fn spawned(program: &str, folder: &Path) -> std::io::Result<Child> {
    Command::new(program)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--dir")
        .arg(folder)
        .arg("--unixsocket")
        .arg(socket(folder))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}
