//! A gate from a file that is read again whenever it changes, while the service goes on.
//!
//!     cp examples/gate.toml my-gate.toml
//!     cargo run --release -p portcullis-examples --bin reload -- 8080 my-gate.toml
//!     curl -i http://127.0.0.1:8080/
//!
//! Twenty requests get `200 OK`, the next `429 Too Many Requests`. Edit a quota in `my-gate.toml`: the next
//! request is judged by it, and limits that did not change keep their counts. Make a mistake: it is shown
//! with its line, and the last good file stays in force.

use std::{env, error::Error, fs, net::SocketAddr, path, path::PathBuf, time::Duration};

use axum::{Router, routing::get};
use notify::{Event, RecursiveMode, Watcher};
use portcullis::{Gate, GateLayer, SystemClock};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};

/// Editors and deployments write in several steps: nothing is read before it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// Looks at the file whenever something changes beside it, `text` being what it said last.
async fn keep_up(gate: Gate, path: PathBuf, mut text: String) -> Result<(), notify::Error> {
    // One place is enough: it only says that there was a change since the last look.
    let (tell, mut changed) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Our own reading is an event too.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = tell.try_send(());
        }
    })?;
    // The directory: who renames another file over this one leaves a watcher of the file behind.
    watcher.watch(path.parent().unwrap_or(&path), RecursiveMode::NonRecursive)?;
    while changed.recv().await.is_some() {
        // Others may write beside it without end, so not for ever.
        for _ in 0..10 {
            sleep(QUIET).await;
            if changed.try_recv().is_err() {
                break;
            }
        }
        // A file that is gone will be there again: what was read last stays until then.
        let Ok(read) = fs::read_to_string(&path) else { continue };
        if read != text {
            text = read;
            match gate.reload(&text, SystemClock::now()) {
                Ok(()) => println!("{} is in force", path.display()),
                Err(mistakes) => {
                    eprintln!("{}", mistakes.with_origin(&path.display().to_string()));
                    eprintln!("the last good file stays in force");
                }
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let port: u16 = args.next().map_or(Ok(8080), |port| port.parse())?;
    let path = path::absolute(args.next().unwrap_or_else(|| "examples/gate.toml".to_owned()))?;
    let text = fs::read_to_string(&path)?;
    let gate = Gate::from_toml(&text)?;
    let keeps_up = keep_up(gate.clone(), path, text);
    tokio::spawn(async { keeps_up.await.inspect_err(|error| eprintln!("not reloading: {error}")) });

    let app: Router =
        Router::new().route("/", get(async || "hello\n")).layer(GateLayer::new(&gate));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    Ok(())
}
