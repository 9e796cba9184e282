//! A gate from a file that is read again whenever it changes, while the service goes on.
//!
//!     cp examples/gate.toml my-gate.toml
//!     cargo run --release -p portcullis-examples --bin reload -- 8080 my-gate.toml
//!     curl -i http://127.0.0.1:8080/
//!
//! Twenty requests get `200 OK`, the next `429 Too Many Requests`. Edit a quota in `my-gate.toml`: the next
//! request is judged by it, and limits that did not change keep their counts. Make a mistake: it is shown
//! with its line, and the last good file stays in force.

use std::{
    env,
    error::Error,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{Router, routing::get};
use notify::{Event, RecursiveMode, Watcher};
use portcullis::{Gate, GateLayer, SystemClock};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// Editors and deployments write in several steps: nothing is read before it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

async fn reload_on_change(gate: Gate, path: PathBuf) -> Result<(), Box<dyn Error + Send + Sync>> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().map(ToOwned::to_owned);
    // One place is enough: it only says that something has changed since the last look.
    let (tell, mut changed) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Our own reading is an access too. What went wrong may have hidden a change.
        let ours =
            |event: &Event| event.paths.iter().any(|path| path.file_name() == name.as_deref());
        if event.map_or(true, |event| !event.kind.is_access() && ours(&event)) {
            let _ = tell.try_send(());
        }
    })?;
    // The directory, not the file: who replaces a file by renaming another one leaves its watchers behind.
    watcher.watch(path.parent().unwrap_or(Path::new("/")), RecursiveMode::NonRecursive)?;
    while changed.recv().await.is_some() {
        while let Ok(Some(())) = timeout(QUIET, changed.recv()).await {}
        match fs::read_to_string(&path) {
            Ok(text) => match gate.reload(&text, SystemClock::now()) {
                Ok(()) => println!("{} is in force", path.display()),
                Err(mistakes) => {
                    eprintln!("{}", mistakes.with_origin(&path.display().to_string()));
                    eprintln!("the last good file stays in force");
                }
            },
            Err(error) => eprintln!("{}: {error}; what was read last stays", path.display()),
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let port: u16 = args.next().map_or(Ok(8080), |port| port.parse())?;
    let path = PathBuf::from(args.next().unwrap_or_else(|| "examples/gate.toml".to_owned()));
    let gate = Gate::from_toml(&fs::read_to_string(&path)?)?;
    let watch = tokio::spawn(reload_on_change(gate.clone(), path));

    let app: Router =
        Router::new().route("/", get(async || "hello\n")).layer(GateLayer::new(&gate));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    watch.abort();
    Ok(())
}
